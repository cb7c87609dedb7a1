//! How a running collector is doing, over HTTP.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::SystemTime;

use anyhow::Context;
use netflow_collector::{Observer, SharedState};

use crate::endpoint;

mod http;
mod json;
mod metrics;

use http::{Response, Status};

/// The port that metrics are served on if none is given.
const PORT: u16 = 9995;

/// How an output is doing: its name for people, and what its threads say.
#[derive(Debug, Clone)]
pub(super) struct OutputState {
    pub(super) name: String,
    pub(super) states: Vec<SharedState>,
}

/// What is known of a collector.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) observer: Observer,
    pub(super) outputs: Vec<OutputState>,
    pub(super) started: SystemTime,
}

/// Serves until dropped.
#[derive(Debug)]
pub(super) struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Where to serve.
pub(super) fn address(text: &str) -> anyhow::Result<SocketAddr> {
    endpoint::to_listen_on(text, PORT)
}

/// Binds the address; nobody is answered yet.
pub(super) fn bind(text: &str) -> anyhow::Result<TcpListener> {
    let address = address(text)?;
    TcpListener::bind(address).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "; another program has the port: choose another with --metrics",
            io::ErrorKind::PermissionDenied => "; ports below 1024 need privileges",
            io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
            _ => "",
        };
        anyhow::anyhow!("cannot serve metrics on {address} (TCP): {error}{advice}")
    })
}

impl Server {
    pub(super) fn start(listener: TcpListener, facts: Facts) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let builder = std::thread::Builder::new().name("metrics".into());
        http::prepare(&listener).context("cannot serve metrics")?;
        let run = move || http::serve(&listener, &stopping, |path| answer(path, &facts));
        let thread = Some(builder.spawn(run).context("cannot start a thread")?);
        Ok(Self { stop, thread })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it was serving is of no more use.
            let _ = thread.join();
        }
    }
}

fn answer(path: &str, facts: &Facts) -> Response {
    match path {
        "/metrics" => Response {
            status: Status::Ok,
            kind: "text/plain; version=0.0.4; charset=utf-8",
            body: metrics::text(facts),
        },
        "/healthz" => match troubles(facts) {
            troubles if troubles.is_empty() => Response::text(Status::Ok, "ok\n"),
            troubles => Response::text(Status::Unavailable, troubles.join("\n") + "\n"),
        },
        "/exporters" => Response::json(json::exporters(&facts.observer)),
        "/templates" => Response::json(json::templates(&facts.observer)),
        "/" => Response::text(Status::Ok, "/metrics\n/healthz\n/exporters\n/templates\n"),
        _ => Response::text(Status::NotFound, "there are /metrics, /healthz, /exporters and /templates\n"),
    }
}

/// What keeps a collector from doing its work.
fn troubles(facts: &Facts) -> Vec<String> {
    let mut troubles = Vec::new();
    let snapshot = facts.observer.snapshot();
    if snapshot.ended_shards > 0 {
        troubles.push(format!(
            "{} decoding threads of {} have ended",
            snapshot.ended_shards,
            snapshot.queues.len()
        ));
    }
    for output in &facts.outputs {
        if output.states.iter().any(|state| state.now().failing) {
            troubles.push(format!("cannot write to {}", output.name));
        }
    }
    troubles
}
