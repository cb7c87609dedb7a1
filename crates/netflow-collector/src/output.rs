//! The output of a shard: what it decodes, normalised once and encoded for each file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use netflow_filter::Filter;
use netflow_flow::{Flows, Normalizer, SamplingOverride};
use netflow_templates::{Context, DataSet, MessageSink, Problem, TemplateChange};

use crate::backlog::Lane;
use crate::block::{Block, BlockEncoder};
use crate::directory::{Message, What};
use crate::report::Accounts;
use crate::rotation::{Rotation, Window};
use crate::shard::{Output, Time};

/// Flows that are encoded together: enough for a page of memory, few enough for the cache.
const TOGETHER: usize = 512;

/// One shard's way to a file or a directory, made by [`FileWriter::branch`](crate::FileWriter::branch) or
/// [`DirectoryWriter::branch`](crate::DirectoryWriter::branch).
#[derive(Debug)]
pub struct Branch {
    pub(crate) encoder: BlockEncoder,
    pub(crate) way: Way,
}

/// Where blocks go.
#[derive(Debug)]
pub(crate) enum Way {
    File(Lane<Block>),
    Directory {
        shard: usize,
        messages: Lane<Message>,
        rotation: Rotation,
        /// The window to enter.
        next: Option<Window>,
    },
}

impl Branch {
    /// Hands on what waits.
    fn hand_on(&mut self) {
        let Some(block) = self.encoder.take() else { return };
        let (octets, flows) = (block.octets() as usize, block.flows);
        match &self.way {
            Way::File(blocks) => blocks.give(block, octets, flows),
            Way::Directory { shard, messages, rotation, .. } => {
                // The shard tells of the first window before it decodes anything.
                let Some(window) = rotation.window() else { return };
                let message = Message { shard: *shard, what: What::Block(window, block) };
                messages.give(message, octets, flows);
            }
        }
    }
}

/// Writes what a shard decodes to any number of files, and to directories.
///
/// Flows are normalised once for all formats that have flows.
#[derive(Debug)]
pub struct FlowOutput {
    branches: Vec<Branch>,
    normalizer: Option<Normalizer>,
    flows: Flows,
    filter: Option<Filtered>,
}

/// Which flows are written.
#[derive(Debug)]
struct Filtered {
    filter: Arc<Filter>,
    /// Flows that were not.
    left_out: Arc<AtomicU64>,
}

impl FlowOutput {
    /// An output for one shard.
    pub fn new(mut branches: Vec<Branch>, sampling: SamplingOverride) -> Self {
        let flows = branches.iter_mut().any(|branch| branch.encoder.packets().is_none());
        let normalizer = flows.then(|| Normalizer::with_sampling_override(sampling));
        Self { branches, normalizer, flows: Flows::new(), filter: None }
    }

    /// Leaves out flows that a filter does not let pass, and counts them. Export packets are written whole.
    #[must_use]
    pub fn filtered(self, filter: Arc<Filter>, left_out: Arc<AtomicU64>) -> Self {
        Self { filter: Some(Filtered { filter, left_out }), ..self }
    }

    /// Encodes the flows that were normalised.
    fn encode(&mut self) {
        if self.flows.is_empty() {
            return;
        }
        if let Some(Filtered { filter, left_out }) = &self.filter {
            let before = self.flows.len();
            self.flows.retain(|flow| filter.matches(flow));
            left_out.fetch_add((before - self.flows.len()) as u64, Ordering::Relaxed);
            if self.flows.is_empty() {
                return;
            }
        }
        for branch in &mut self.branches {
            if branch.encoder.packets().is_some() {
                continue;
            }
            branch.encoder.flows(&self.flows);
            if branch.encoder.is_full() {
                branch.hand_on();
            }
        }
        self.flows.clear();
    }

    /// The encoders of export packets.
    fn packets(&mut self) -> impl Iterator<Item = &mut netflow_flow::FlowEncoder> {
        self.branches.iter_mut().filter_map(|branch| branch.encoder.packets())
    }
}

impl Output for FlowOutput {
    fn end_packet(&mut self) {
        for branch in &mut self.branches {
            if let Some(packets) = branch.encoder.packets() {
                packets.end_packet();
                if branch.encoder.is_full() {
                    branch.hand_on();
                }
            }
        }
    }

    fn flush(&mut self) {
        self.encode();
        self.branches.iter_mut().filter(|branch| branch.encoder.is_due()).for_each(Branch::hand_on);
    }

    fn window_ends(&mut self, time: Time) -> bool {
        let mut ends = false;
        for branch in &mut self.branches {
            if let Way::Directory { rotation, next, .. } = &mut branch.way {
                *next = match time {
                    Time::Received(now) => rotation.due(now),
                    Time::Idle(now) => rotation.due_idle(now),
                };
                ends |= next.is_some();
            }
        }
        ends
    }

    fn end_window(&mut self, accounts: &Accounts) {
        self.encode();
        for branch in &mut self.branches {
            let Way::Directory { next, .. } = &mut branch.way else { continue };
            let Some(next) = next.take() else { continue };
            branch.leave(accounts);
            branch.enter(next);
        }
    }

    fn end(&mut self, accounts: &Accounts) {
        self.encode();
        self.branches.iter_mut().for_each(|branch| branch.leave(accounts));
    }
}

impl Branch {
    /// Hands on all that belongs to the window that is open.
    fn leave(&mut self, accounts: &Accounts) {
        self.hand_on();
        if let Way::Directory { shard, messages, rotation, .. } = &self.way
            && let Some(window) = rotation.window()
            && !accounts.is_empty()
        {
            let message = Message { shard: *shard, what: What::Accounts(window, accounts.clone()) };
            messages.account(message, accounts.octets());
        }
    }

    fn enter(&mut self, next: Window) {
        if let Way::Directory { shard, messages, rotation, .. } = &mut self.way {
            rotation.enter(next);
            messages.tell(Message { shard: *shard, what: What::Entered(next) });
        }
    }
}

impl MessageSink for FlowOutput {
    fn packet(&mut self, context: &Context<'_>) {
        self.packets().for_each(|packets| packets.packet(context));
    }

    fn data(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        if let Some(normalizer) = &mut self.normalizer {
            normalizer.normalize(context, set, &mut self.flows);
            if self.flows.len() >= TOGETHER {
                self.encode();
            }
        }
        for branch in &mut self.branches {
            if let Some(packets) = branch.encoder.packets() {
                packets.data(context, set);
                branch.encoder.count(set.len());
                // A template may release all that waited for it.
                if branch.encoder.is_full() {
                    branch.hand_on();
                }
            }
        }
    }

    fn options(&mut self, context: &Context<'_>, set: DataSet<'_>) {
        self.packets().for_each(|packets| packets.options(context, set));
    }

    fn template(&mut self, context: &Context<'_>, change: TemplateChange<'_>) {
        self.packets().for_each(|packets| packets.template(context, change));
    }

    fn problem(&mut self, context: &Context<'_>, problem: Problem) {
        self.packets().for_each(|packets| packets.problem(context, problem));
    }
}

impl Drop for Branch {
    /// The directory's writer need not wait for this shard any more, also when its thread failed.
    fn drop(&mut self) {
        if let Way::Directory { shard, messages, .. } = &self.way {
            messages.tell(Message { shard: *shard, what: What::Gone });
        }
    }
}
