//! A container of runc for each behaviour that is about containers: busybox and this machine's programs on an overlay, a
//! network of its own, a shell script to run.
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::stage::Stage;
use crate::tools::{busybox, runc};

/// Makes the root file system, an overlay on a file system of its own, where nobody else sees it; then goes on.
const MOUNT: &str = "set -e; cd \"$1\"; mount -t tmpfs none layers; mkdir layers/upper layers/work; \
                     mount -t overlay -o lowerdir=lower,upperdir=layers/upper,workdir=layers/work none rootfs; set +e; ";

pub(crate) struct Bundle {
    folder: TempDir,
    path: String,
    /// The container's id.
    pub(crate) name: String,
    /// The container's specification, for who wants it otherwise.
    pub(crate) spec: Value,
}

impl Bundle {
    /// A container that will run a script; none, said aloud, without runc.
    pub(crate) fn new(script: &str) -> Option<Bundle> {
        static COUNT: AtomicU32 = AtomicU32::new(0);

        let path = runc()?;
        let folder = tempfile::tempdir().expect("a folder");
        lower(&folder.path().join("lower"), &busybox(&path));
        for name in ["layers", "rootfs", "work"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let mut runc = Command::new("runc");
        let made = runc.env("PATH", &path).arg("spec").current_dir(folder.path()).status();
        assert!(made.expect("runc runs").success());
        let text = fs::read(folder.path().join("config.json")).expect("a file");
        let mut spec: Value = serde_json::from_slice(&text).expect("JSON");
        spec["process"]["terminal"] = false.into();
        spec["process"]["args"] = json!(["/bin/sh", "-c", script]);
        spec["process"]["cwd"] = "/work".into();
        spec["process"]["env"] = json!(["PATH=/bin:/usr/bin:/usr/sbin", "HOME=/root"]);
        spec["root"]["readonly"] = false.into();
        let mounts = spec["mounts"].as_array_mut().expect("a list");
        mounts.push(bind(Path::new("/usr"), "/usr", "ro"));
        mounts.push(bind(&folder.path().join("work"), "/work", "rw"));
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Some(Bundle {
            name: format!("vespid-yardstick-{}-{number}", std::process::id()),
            folder,
            path,
            spec,
        })
    }

    /// Gives its processes capabilities beyond those that runc gives.
    pub(crate) fn grant<'a>(mut self, names: impl IntoIterator<Item = &'a str> + Clone) -> Bundle {
        for set in ["bounding", "effective", "permitted"] {
            let has = self.spec["process"]["capabilities"][set]
                .as_array_mut()
                .expect("a list");
            has.extend(names.clone().into_iter().map(Value::from));
        }
        self
    }

    /// Leaves out a namespace of its own.
    pub(crate) fn share(mut self, namespace: &str) -> Bundle {
        let namespaces = self.spec["linux"]["namespaces"].as_array_mut().expect("a list");
        namespaces.retain(|has| has["type"] != namespace);
        self
    }

    /// Puts a file into its working directory.
    pub(crate) fn with_file(self, name: &str, content: &str) -> Bundle {
        let file = self.folder.path().join("work").join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, content).expect("a file");
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, stage: &mut Stage) {
        self.run_by(stage, "runc run --bundle \"$1\" \"$2\"");
    }

    /// Has a shell run it, which gets its folder and its name.
    pub(crate) fn run_by(&self, stage: &mut Stage, script: &str) {
        fs::write(self.folder.path().join("config.json"), self.spec.to_string()).expect("a file");
        let mut unshare = Command::new("unshare");
        unshare
            .args(["--mount", "--propagation", "private", "sh", "-c"])
            .arg(format!("{MOUNT}{script}"))
            .arg("sh")
            .arg(self.folder.path())
            .arg(&self.name)
            .env("PATH", &self.path);
        stage.run(&mut unshare);
    }

    /// Whether a row is of something in it.
    pub(crate) fn has(&self, row: &Value) -> bool {
        row["container"]["id"] == self.name.as_str()
    }
}

/// What lies in the image: busybox under each of its names, and a few files that others look for.
fn lower(lower: &Path, busybox: &Path) {
    for name in [
        "bin", "etc", "dev", "proc", "sys", "usr", "work", "tmp", "root", "var/log",
    ] {
        fs::create_dir_all(lower.join(name)).expect("a folder");
    }
    for name in ["sbin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), lower.join(name)).expect("a link");
    }
    fs::write(lower.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").expect("a file");
    fs::write(lower.join("etc/shadow"), "root:*:1::::::\n").expect("a file");
    fs::write(lower.join("var/log/auth.log"), "a login\n").expect("a file");
    fs::copy(busybox, lower.join("bin/busybox")).expect("a copy");
    let applets = Command::new(busybox).arg("--list").output().expect("its names").stdout;
    for applet in String::from_utf8(applets).expect("text").lines() {
        // A name of its own: the executable of `nc` is then /bin/nc.
        if applet != "busybox" {
            fs::hard_link(lower.join("bin/busybox"), lower.join("bin").join(applet)).expect("a link");
        }
    }
}

fn bind(from: &Path, to: &str, access: &str) -> Value {
    json!({ "destination": to, "type": "bind", "source": from, "options": ["rbind", access] })
}
