//! A containerd of a test's own: its socket, its state and its images are in a folder that goes with the test.
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::tools::{busybox, is_missing, tools};

/// The image of both containers and sandboxes: a shell.
pub(crate) const IMAGE: &str = "registry.example/box:1";

/// A running containerd; killed when dropped, after the containers that it still has.
pub(crate) struct Containerd {
    child: Child,
    folder: TempDir,
    path: String,
}

impl Containerd {
    /// Starts it with an image; none, said aloud, where it is not installed.
    pub(crate) fn start() -> Option<Containerd> {
        let (program, path) = tools();
        let is_there = Command::new(&program).arg("--version").env("PATH", &path).output();
        if !is_there.is_ok_and(|output| output.status.success()) {
            is_missing("containerd");
            return None;
        }
        // Containers' sockets have short paths.
        let folder = tempfile::Builder::new()
            .prefix("cd")
            .tempdir_in("/tmp")
            .expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let config = format!(
            "version = 2\nroot = {root:?}\nstate = {state:?}\n[grpc]\naddress = {socket:?}\n\
             [plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"{IMAGE}\"\n\
             restrict_oom_score_adj = true\n\
             [plugins.\"io.containerd.grpc.v1.cri\".containerd]\nsnapshotter = \"native\"\n\
             [plugins.\"io.containerd.internal.v1.opt\"]\npath = {opt:?}\n",
            root = at("root"),
            state = at("state"),
            socket = at("c.sock"),
            opt = at("opt"),
        );
        fs::write(at("config.toml"), config).expect("a configuration");
        let child = Command::new(&program)
            .arg("--config")
            .arg(at("config.toml"))
            .env("PATH", &path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(at("log")).expect("a log file"))
            .spawn()
            .expect("containerd starts");
        let containerd = Containerd { child, folder, path };
        containerd.wait_until_it_serves();
        containerd.import(&image(containerd.folder.path(), &containerd.path));
        Some(containerd)
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("c.sock")
    }

    fn ctr(&self, words: &[&str]) -> bool {
        let mut ctr = Command::new("ctr");
        ctr.env("PATH", &self.path).arg("--address").arg(self.socket());
        let output = ctr.args(words).output();
        output.is_ok_and(|output| output.status.success())
    }

    fn wait_until_it_serves(&self) {
        let start = Instant::now();
        while !self.ctr(&["version"]) {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "containerd does not serve:\n{}",
                self.log()
            );
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    fn import(&self, file: &Path) {
        let file = file.to_str().expect("a name");
        let words = [
            "--namespace",
            "k8s.io",
            "images",
            "import",
            "--snapshotter",
            "native",
            file,
        ];
        assert!(self.ctr(&words), "the image is not taken:\n{}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An image in Docker's format, of busybox alone.
fn image(folder: &Path, path: &str) -> PathBuf {
    let (rootfs, parts) = (folder.join("rootfs"), folder.join("image"));
    for name in ["bin", "tmp", "etc", "proc", "sys", "dev"] {
        fs::create_dir_all(rootfs.join(name)).expect("a folder");
    }
    fs::create_dir(&parts).expect("a folder");
    fs::copy(busybox(path), rootfs.join("bin/busybox")).expect("a copy");
    for tool in ["sh", "sleep", "cp", "true", "rm"] {
        std::os::unix::fs::symlink("busybox", rootfs.join("bin").join(tool)).expect("a link");
    }
    let layer = parts.join("layer.tar");
    tar(&layer, &rootfs, &["."]);
    let sum = Command::new("sha256sum").arg(&layer).output().expect("sha256sum runs");
    let digest = String::from_utf8(sum.stdout).expect("text");
    let digest = digest.split(' ').next().expect("a digest");
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": { "Cmd": ["/bin/sleep", "1000"] },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
    });
    let manifest = json!([{ "Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"] }]);
    fs::write(parts.join("config.json"), config.to_string()).expect("written");
    fs::write(parts.join("manifest.json"), manifest.to_string()).expect("written");
    let file = folder.join("image.tar");
    tar(&file, &parts, &["manifest.json", "config.json", "layer.tar"]);
    file
}

fn tar(file: &Path, folder: &Path, names: &[&str]) {
    let done = Command::new("tar")
        .arg("-cf")
        .arg(file)
        .arg("-C")
        .arg(folder)
        .args(names)
        .status();
    assert!(done.expect("tar runs").success());
}
