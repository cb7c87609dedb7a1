//! How a running collector is doing, over HTTP.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::SystemTime;

use anyhow::Context;
use netflow_collector::Observer;

use super::health::{self, OutputState};
use crate::endpoint;

mod http;
mod json;
mod metrics;

use http::{Response, Status};

/// The port that metrics are served on if none is given.
const PORT: u16 = 9995;

/// What is known of a collector.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) observer: Observer,
    pub(super) outputs: Vec<OutputState>,
    /// Flows that a filter left out, if there is one.
    pub(super) left_out: Option<Arc<AtomicU64>>,
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
        let run = move || http::serve(&listener, &stopping, |target| answer(target, &facts));
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

fn answer(target: &str, facts: &Facts) -> Response {
    let target = target.split('#').next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path {
        "/metrics" => Response {
            status: Status::Ok,
            kind: "text/plain; version=0.0.4; charset=utf-8",
            body: metrics::text(facts),
        },
        "/healthz" => health(facts),
        "/exporters" => json::exporters(&facts.observer, query),
        "/templates" => json::templates(&facts.observer, query),
        "/" => Response::text(Status::Ok, "/metrics\n/healthz\n/exporters\n/templates\n"),
        _ => Response::text(Status::NotFound, "there are /metrics, /healthz, /exporters and /templates\n"),
    }
}

/// Whether the collector does its work; if not, what keeps it from that.
fn health(facts: &Facts) -> Response {
    let failed = facts.observer.snapshot().report.failed_threads;
    let troubles = health::troubles(failed, &facts.outputs);
    if troubles.is_empty() {
        return Response::text(Status::Ok, "ok\n");
    }
    let lines: String = troubles.iter().map(|trouble| format!("{trouble}\n")).collect();
    Response::text(Status::Unavailable, lines)
}
