//! The Container Runtime Interface of Kubernetes, version 1, as containerd (from 1.6) and CRI-O (from 1.20) serve it on
//! a Unix socket.
//!
//! A connection lasts for one container. That costs a millisecond, and there is none to find broken after the runtime was
//! restarted.
mod labels;
mod messages;
mod owner;

use std::path::Path;

use hyper::http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::event::KnownContainer;
use messages::{
    ContainerStatusRequest, ContainerStatusResponse, ListContainersRequest, ListContainersResponse,
    ListPodSandboxRequest, ListPodSandboxResponse, PodSandbox,
};

/// Longest text that is taken over.
const MAX_TEXT: usize = 1_024;

/// Why a runtime gave no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// It could not be connected to.
    Unreachable(String),
    /// It answered with an error.
    Refused(String),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Failure::Refused(format!("{}: {}", status.code(), status.message()))
    }
}

/// What the runtime at a socket says of a container, or of the sandbox of a pod, which is a container as well.
/// `node` is the node's name.
pub(super) async fn describe(socket: &Path, id: &str, node: &str) -> Result<Option<KnownContainer<'static>>, Failure> {
    let mut runtime = Runtime::connect(socket).await?;
    let Some(container) = runtime.container(id).await? else {
        let pod = runtime.pod(id).await?;
        return Ok(pod.map(|pod| of_pod(id, pod, node)));
    };
    let status = runtime.status(id).await?;
    let pod = runtime.pod(&container.pod_sandbox_id).await?;
    let mut known = of_pod(id, pod.unwrap_or_default(), node);
    known.name = text(container.metadata.unwrap_or_default().name);
    // Lists name the image as it was asked for, which may be a digest; only the status has its name then.
    let image = status.unwrap_or(container.image.unwrap_or_default().image);
    known.image = text(image);
    Ok(Some(known))
}

fn of_pod(id: &str, pod: PodSandbox, node: &str) -> KnownContainer<'static> {
    let owner = owner::of(&pod, node).filter(|owner| owner.len() <= MAX_TEXT);
    let labels = labels::of(&pod);
    let pod = pod.metadata.unwrap_or_default();
    KnownContainer {
        id: id.as_bytes().to_vec().into(),
        pod_uid: text(pod.uid),
        pod: text(pod.name),
        namespace: text(pod.namespace),
        labels: labels.into(),
        owner: owner.unwrap_or_default().into(),
        ..KnownContainer::default()
    }
}

fn text(mut text: String) -> crate::bytes::Bytes<'static> {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text.into_bytes().into()
}

/// A connection to a runtime.
struct Runtime(Grpc<Channel>);

impl Runtime {
    async fn connect(socket: &Path) -> Result<Runtime, Failure> {
        let unreachable = |error: tonic::transport::Error| Failure::Unreachable(chain(&error));
        let endpoint = Endpoint::try_from(format!("unix://{}", socket.display())).map_err(unreachable)?;
        let channel = endpoint.connect().await.map_err(unreachable)?;
        Ok(Runtime(Grpc::new(channel)))
    }

    /// A container of a pod; none if there is none with this id.
    async fn container(&mut self, id: &str) -> Result<Option<messages::Container>, Failure> {
        let question = ListContainersRequest {
            filter: Some(messages::ContainerFilter { id: id.to_owned() }),
        };
        let answer: ListContainersResponse = self.call("/runtime.v1.RuntimeService/ListContainers", question).await?;
        Ok(answer.containers.into_iter().find(|container| container.id == id))
    }

    /// The name of a container's image; none if the container is gone by now.
    async fn status(&mut self, id: &str) -> Result<Option<String>, Failure> {
        let question = ContainerStatusRequest {
            container_id: id.to_owned(),
        };
        let answer = self.call("/runtime.v1.RuntimeService/ContainerStatus", question).await;
        let answer: ContainerStatusResponse = match answer {
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            answer => answer?,
        };
        let image = answer.status.unwrap_or_default().image.unwrap_or_default().image;
        Ok(Some(image).filter(|image| !image.is_empty()))
    }

    /// A pod, by its sandbox.
    async fn pod(&mut self, id: &str) -> Result<Option<PodSandbox>, Failure> {
        let question = ListPodSandboxRequest {
            filter: Some(messages::PodSandboxFilter { id: id.to_owned() }),
        };
        let answer: ListPodSandboxResponse = self.call("/runtime.v1.RuntimeService/ListPodSandbox", question).await?;
        Ok(answer.items.into_iter().find(|pod| pod.id == id))
    }

    async fn call<Q, A>(&mut self, method: &'static str, question: Q) -> Result<A, Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let broken = |error: tonic::transport::Error| Status::unavailable(chain(&error));
        self.0.ready().await.map_err(broken)?;
        let codec = ProstCodec::<Q, A>::default();
        let answer = self
            .0
            .unary(Request::new(question), PathAndQuery::from_static(method), codec);
        Ok(answer.await?.into_inner())
    }
}

/// An error with its causes: that of the transport alone says nothing.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |all, cause| format!("{all}: {cause}"))
}
