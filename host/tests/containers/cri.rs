//! What Kubernetes' node agent would ask of a runtime: a pod, a container in it, a command in that.
use std::collections::HashMap;
use std::path::Path;

use hyper::http::uri::PathAndQuery;
use prost::Message;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use crate::containerd::IMAGE;

/// Keys and values.
pub(crate) type Pairs<'a> = &'a [(&'a str, &'a str)];

/// The pods of a test.
pub(crate) struct Kubelet {
    io: tokio::runtime::Runtime,
    runtime: Grpc<Channel>,
    pods: Vec<Pod>,
}

/// A pod, as its runtime knows it.
#[derive(Clone)]
pub(crate) struct Pod {
    pub(crate) sandbox: String,
    config: PodSandboxConfig,
}

impl Kubelet {
    pub(crate) fn new(socket: &Path) -> Kubelet {
        let io = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("an event loop");
        let endpoint = Endpoint::try_from(format!("unix://{}", socket.display())).expect("an address");
        let channel = io.block_on(endpoint.connect()).expect("a connection");
        Kubelet {
            io,
            runtime: Grpc::new(channel),
            pods: Vec::new(),
        }
    }

    /// Starts a pod in the host's network.
    pub(crate) fn pod(&mut self, namespace: &str, name: &str, uid: &str) -> Pod {
        self.described_pod(namespace, name, uid, &[], &[])
    }

    /// The same with labels, to which the node agent's own are added, and annotations.
    pub(crate) fn described_pod(
        &mut self,
        namespace: &str,
        name: &str,
        uid: &str,
        labels: Pairs<'_>,
        annotations: Pairs<'_>,
    ) -> Pod {
        const NODE: i32 = 2;
        let map = |pairs: Pairs<'_>| -> HashMap<String, String> {
            let pairs = pairs.iter();
            pairs.map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
        };
        let own = [
            ("io.kubernetes.pod.name", name),
            ("io.kubernetes.pod.namespace", namespace),
            ("io.kubernetes.pod.uid", uid),
        ];
        let config = PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: name.to_owned(),
                uid: uid.to_owned(),
                namespace: namespace.to_owned(),
            }),
            labels: map(&[&own, labels].concat()),
            annotations: map(annotations),
            linux: Some(LinuxPodSandboxConfig {
                security_context: Some(LinuxSandboxSecurityContext {
                    namespace_options: Some(NamespaceOption { network: NODE }),
                }),
            }),
        };
        let request = RunPodSandboxRequest {
            config: Some(config.clone()),
        };
        let response: RunPodSandboxResponse = self.call("RunPodSandbox", request);
        let pod = Pod {
            sandbox: response.pod_sandbox_id,
            config,
        };
        self.pods.push(pod.clone());
        pod
    }

    /// Starts a container that runs a command; its id.
    pub(crate) fn container(&mut self, pod: &Pod, name: &str, command: &[&str]) -> String {
        let request = CreateContainerRequest {
            pod_sandbox_id: pod.sandbox.clone(),
            config: Some(ContainerConfig {
                metadata: Some(ContainerMetadata { name: name.to_owned() }),
                image: Some(ImageSpec {
                    image: IMAGE.to_owned(),
                }),
                command: command.iter().map(|&word| word.to_owned()).collect(),
            }),
            sandbox_config: Some(pod.config.clone()),
        };
        let response: CreateContainerResponse = self.call("CreateContainer", request);
        let request = StartContainerRequest {
            container_id: response.container_id.clone(),
        };
        let Empty {} = self.call("StartContainer", request);
        response.container_id
    }

    /// Runs a command in a container, to its end.
    pub(crate) fn exec(&mut self, container: &str, command: &[&str]) {
        let request = ExecSyncRequest {
            container_id: container.to_owned(),
            cmd: command.iter().map(|&word| word.to_owned()).collect(),
        };
        let response: ExecSyncResponse = self.call("ExecSync", request);
        assert_eq!(response.exit_code, 0, "{}", response.stderr.escape_ascii());
    }

    fn call<Q, A>(&mut self, method: &str, question: Q) -> A
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let answer = self.ask(method, question);
        answer.unwrap_or_else(|status| panic!("{method}: {status}"))
    }

    fn ask<Q, A>(&mut self, method: &str, question: Q) -> Result<A, tonic::Status>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let path: PathAndQuery = format!("/runtime.v1.RuntimeService/{method}").parse().expect("a path");
        let Kubelet { io, runtime, .. } = self;
        let answer = io.block_on(async {
            runtime.ready().await.expect("a connection");
            let codec = ProstCodec::<Q, A>::default();
            runtime.unary(tonic::Request::new(question), path, codec).await
        });
        Ok(answer?.into_inner())
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        for pod in std::mem::take(&mut self.pods) {
            for method in ["StopPodSandbox", "RemovePodSandbox"] {
                let request = PodSandboxRequest {
                    pod_sandbox_id: pod.sandbox.clone(),
                };
                if let Err(status) = self.ask::<_, Empty>(method, request) {
                    eprintln!("{method}: {status}");
                }
            }
        }
    }
}

// `k8s.io/cri-api/pkg/apis/runtime/v1/api.proto`, as far as it is needed.

#[derive(Clone, PartialEq, Message)]
struct Empty {}

#[derive(Clone, PartialEq, Message)]
struct RunPodSandboxRequest {
    #[prost(message, optional, tag = "1")]
    config: Option<PodSandboxConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct PodSandboxConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<PodSandboxMetadata>,
    #[prost(map = "string, string", tag = "6")]
    labels: HashMap<String, String>,
    #[prost(map = "string, string", tag = "7")]
    annotations: HashMap<String, String>,
    #[prost(message, optional, tag = "8")]
    linux: Option<LinuxPodSandboxConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct PodSandboxMetadata {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    uid: String,
    #[prost(string, tag = "3")]
    namespace: String,
}

#[derive(Clone, PartialEq, Message)]
struct LinuxPodSandboxConfig {
    #[prost(message, optional, tag = "2")]
    security_context: Option<LinuxSandboxSecurityContext>,
}

#[derive(Clone, PartialEq, Message)]
struct LinuxSandboxSecurityContext {
    #[prost(message, optional, tag = "1")]
    namespace_options: Option<NamespaceOption>,
}

#[derive(Clone, PartialEq, Message)]
struct NamespaceOption {
    #[prost(int32, tag = "1")]
    network: i32,
}

#[derive(Clone, PartialEq, Message)]
struct RunPodSandboxResponse {
    #[prost(string, tag = "1")]
    pod_sandbox_id: String,
}

#[derive(Clone, PartialEq, Message)]
struct CreateContainerRequest {
    #[prost(string, tag = "1")]
    pod_sandbox_id: String,
    #[prost(message, optional, tag = "2")]
    config: Option<ContainerConfig>,
    #[prost(message, optional, tag = "3")]
    sandbox_config: Option<PodSandboxConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ContainerMetadata>,
    #[prost(message, optional, tag = "2")]
    image: Option<ImageSpec>,
    #[prost(string, repeated, tag = "3")]
    command: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerMetadata {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct ImageSpec {
    #[prost(string, tag = "1")]
    image: String,
}

#[derive(Clone, PartialEq, Message)]
struct CreateContainerResponse {
    #[prost(string, tag = "1")]
    container_id: String,
}

#[derive(Clone, PartialEq, Message)]
struct StartContainerRequest {
    #[prost(string, tag = "1")]
    container_id: String,
}

#[derive(Clone, PartialEq, Message)]
struct ExecSyncRequest {
    #[prost(string, tag = "1")]
    container_id: String,
    #[prost(string, repeated, tag = "2")]
    cmd: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct ExecSyncResponse {
    #[prost(bytes = "vec", tag = "2")]
    stderr: Vec<u8>,
    #[prost(int32, tag = "3")]
    exit_code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct PodSandboxRequest {
    #[prost(string, tag = "1")]
    pod_sandbox_id: String,
}
