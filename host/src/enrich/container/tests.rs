//! Paths as they are met on real nodes.
use super::*;

const ID: &str = "3f4e9b1c7d2a8056e1f0c9b8a7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8";
const INNER: &str = "aaaa9b1c7d2a8056e1f0c9b8a7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0cbbb";
const POD: &str = "8dbc2a70-2a0f-4b5c-9a4e-7d3f5a6b1c2d";

/// `ID`, `INNER`, `POD` and `P_D` (the pod's uid with underscores) stand for themselves in `path`.
fn check(path: &str, expected: &str) {
    let path = path
        .replace("INNER", INNER)
        .replace("ID", ID)
        .replace("POD", POD)
        .replace("P_D", &POD.replace('-', "_"));
    let found = recognise(path.as_bytes()).map_or_else(String::new, |name| {
        let id = str::from_utf8(name.id)
            .unwrap()
            .replace(INNER, "INNER")
            .replace(ID, "ID");
        let pod = name
            .pod_uid
            .map_or_else(String::new, |uid| format!(" {}", str::from_utf8(&uid).unwrap()));
        format!("{} {id}{}", name.runtime.name(), pod.replace(POD, "POD"))
    });
    assert_eq!(found, expected, "{path}");
}

#[test]
fn docker() {
    check("/docker/ID", "docker ID");
    check("/system.slice/docker-ID.scope", "docker ID");
    check(
        "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-ID.scope",
        "docker ID",
    );
    check("/docker/ID/system.slice/nginx.service", "docker ID");
    check("/ecs/prod/0123456789abcdef/ID", "docker ID");
    check("/actions_job/ID", "docker ID");
}

#[test]
fn containerd() {
    check(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podP_D.slice/cri-containerd-ID.scope",
        "containerd ID POD",
    );
    check(
        "/kubepods.slice/kubepods-podP_D.slice/cri-containerd-ID.scope",
        "containerd ID POD",
    );
    check("/kubepods/burstable/podPOD/ID", "containerd ID POD");
    check("/kubepods/podPOD/ID", "containerd ID POD");
    check(
        "/system.slice/containerd.service/kubepods-burstable-podP_D.slice:cri-containerd:ID",
        "containerd ID POD",
    );
    check(
        "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-podP_D.slice/cri-containerd-ID.scope",
        "containerd ID POD",
    );
    check("/k8s.io/t1", "containerd t1");
    check("/k8s.io/ID", "containerd ID");
    check("/default/redis", "containerd redis");
    check(
        "/process_api/986cadc280be037f3435a6fb6608c21c/k8s.io/t1",
        "containerd t1",
    );
    check("/system.slice/nerdctl-ID.scope", "containerd ID");
}

#[test]
fn a_static_pod_has_a_uid_without_dashes() {
    check(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1ec4f2a9d17b3c5e8f60a2b4c6d8e0f1.slice/cri-containerd-ID.scope",
        "containerd ID 1ec4f2a9d17b3c5e8f60a2b4c6d8e0f1",
    );
}

#[test]
fn cri_o() {
    check(
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podP_D.slice/crio-ID.scope",
        "cri-o ID POD",
    );
    check("/kubepods/besteffort/podPOD/crio-ID", "cri-o ID POD");
    check(
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podP_D.slice/crio-conmon-ID.scope",
        "",
    );
    check("/kubepods/besteffort/podPOD/crio-conmon-ID", "");
}

#[test]
fn podman() {
    check("/machine.slice/libpod-ID.scope", "podman ID");
    check("/machine.slice/libpod-ID.scope/container", "podman ID");
    check(
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
        "podman ID",
    );
    check("/libpod_parent/libpod-ID", "podman ID");
    check("/system.slice/web.service/libpod-payload-ID", "podman ID");
    check("/machine.slice/libpod-conmon-ID.scope", "");
    check("/libpod_parent/conmon", "");
    check(
        "/user.slice/user-1000.slice/user@1000.service/user.slice/podman-1234.scope",
        "",
    );
}

#[test]
fn the_innermost_container_counts() {
    check("/docker/ID/docker/INNER", "docker INNER");
    check("/kubepods/burstable/podPOD/ID/docker/INNER", "docker INNER POD");
    check(
        "/docker/ID/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podP_D.slice/cri-containerd-INNER.scope",
        "containerd INNER POD",
    );
    check("/../../docker-ID.scope", "docker ID");
}

#[test]
fn what_is_no_container() {
    for path in [
        "",
        "/",
        "/init.scope",
        "/system.slice/sshd.service",
        "/system.slice/docker.service",
        "/system.slice/containerd.service",
        "/user.slice/user-1000.slice/session-3.scope",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-12.scope",
        "/kubepods.slice/kubepods-burstable.slice",
        "/kubepods/burstable/podPOD",
        "/docker",
        "/docker/3f4e9b1c",
        "/demo1",
        "/machine.slice/systemd-nspawn@web.service",
        "/docker/ID0",
        "/docker/XID",
    ] {
        check(path, "");
    }
}

#[test]
fn the_line_to_go_by() {
    let choice = |text: &str| {
        String::from_utf8(choose(text.replace("ID", ID).as_bytes()).to_vec())
            .unwrap()
            .replace(ID, "ID")
    };
    // v2
    assert_eq!(
        choice("0::/system.slice/docker-ID.scope\n"),
        "/system.slice/docker-ID.scope"
    );
    // v1
    assert_eq!(
        choice("12:pids:/docker/ID\n4:memory:/docker/ID\n2:cpu,cpuacct:/docker/ID\n1:name=systemd:/docker/ID\n"),
        "/docker/ID"
    );
    assert_eq!(
        choice("4:memory:/m\n1:name=systemd:/system.slice/cron.service\n"),
        "/system.slice/cron.service"
    );
    // hybrid: only a v1 hierarchy knows the container
    assert_eq!(choice("4:memory:/docker/ID\n1:name=systemd:/\n0::/\n"), "/docker/ID");
    assert_eq!(
        choice("4:memory:/process_api/986c\n1:name=systemd:/\n0::/demo1\n"),
        "/demo1"
    );
    // a path may hold a colon; a text may hold nothing of use
    assert_eq!(choice("0::/a:b\n"), "/a:b");
    assert_eq!(choice("nonsense"), "");
}
