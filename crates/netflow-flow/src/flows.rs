//! Flows of data sets, many at a time.

use std::mem::ManuallyDrop;

use crate::schema::{Flow, RareColumns};

/// A flow without its rare columns: those are in [`RareColumns`]. So there is nothing to be dropped, and many are
/// cleared at once.
pub(crate) type Row = ManuallyDrop<Flow>;

/// Flows as [`Normalizer`](crate::Normalizer) makes them of data sets: used again, they take no memory of
/// their own in the long run.
///
/// The usual columns are held flow by flow, the rare ones column by column, so that those that no flow has
/// cost nothing.
#[derive(Debug, Default)]
pub struct Flows {
    pub(crate) rows: Vec<Row>,
    pub(crate) rare: RareColumns,
    /// Whether any flow may have a rare column.
    pub(crate) has_rare: bool,
}

impl Flows {
    /// No flows.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Removes all, keeping the memory for the next ones.
    pub fn clear(&mut self) {
        self.rows.clear();
        if std::mem::take(&mut self.has_rare) {
            self.rare.clear();
        }
    }

    /// Appends a flow that was by itself.
    pub fn push(&mut self, flow: &Flow) {
        if let Some(rare) = &flow.rare {
            self.has_rare = true;
            self.rare.set(self.rows.len(), rare);
        }
        self.rows.push(ManuallyDrop::new(flow.without_rare()));
    }

    /// The flows, in the order of their records.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = FlowRef<'_>> {
        self.rows.iter().enumerate().map(|(row, flow)| self.of(row, flow))
    }

    /// One flow, counted from 0.
    pub fn get(&self, row: usize) -> Option<FlowRef<'_>> {
        self.rows.get(row).map(|flow| self.of(row, flow))
    }

    /// Removes the flows of which `keeps` says false.
    ///
    /// Where some have rare columns, those that stay are copied; where none has, or all stay, they are not.
    pub fn retain(&mut self, mut keeps: impl FnMut(FlowRef<'_>) -> bool) {
        if !self.has_rare {
            return self.rows.retain(|flow| keeps(FlowRef { flow, rare: None }));
        }
        let stay: Vec<bool> = self.iter().map(keeps).collect();
        if stay.iter().all(|&stays| stays) {
            return;
        }
        let (mut kept, mut flow) = (Self::new(), Flow::UNKNOWN);
        for (of, stays) in self.iter().zip(stay) {
            if stays {
                of.copy_to(&mut flow);
                kept.push(&flow);
            }
        }
        *self = kept;
    }

    /// All flows, each by itself.
    pub fn to_vec(&self) -> Vec<Flow> {
        self.iter().map(FlowRef::to_flow).collect()
    }

    #[inline]
    fn of<'a>(&'a self, row: usize, flow: &'a Flow) -> FlowRef<'a> {
        FlowRef { flow, rare: self.has_rare.then_some((&self.rare, row)) }
    }
}

/// One flow, among others ([`Flows`]) or by itself.
///
/// Its usual columns are methods; [`Column::get`](crate::Column::get) gives every one.
#[derive(Debug, Clone, Copy)]
pub struct FlowRef<'a> {
    /// The usual columns; the rare ones too, when it is by itself.
    pub(crate) flow: &'a Flow,
    pub(crate) rare: Option<(&'a RareColumns, usize)>,
}

impl FlowRef<'_> {
    /// 4 or 6, as `ip_version` says, or the addresses where it is 0; 0 when there are none.
    #[inline]
    pub fn ip_family(&self) -> u8 {
        self.flow.ip_family()
    }

    /// Whether the flow may have any rare column.
    #[inline]
    pub fn has_rare(&self) -> bool {
        self.rare.is_some() || self.flow.rare.is_some()
    }

    /// The flow by itself.
    pub fn to_flow(self) -> Flow {
        let mut flow = Flow::UNKNOWN;
        self.copy_to(&mut flow);
        flow
    }

    /// Makes `flow` the same, which spares memory for a flow of its own.
    pub fn copy_to(self, flow: &mut Flow) {
        let Some((columns, row)) = self.rare else {
            return flow.clone_from(self.flow);
        };
        let mut rare = flow.rare.take().unwrap_or_default();
        rare.clear();
        columns.copy_to(row, &mut rare);
        *flow = self.flow.with_rare(rare);
    }
}

impl<'a> From<&'a Flow> for FlowRef<'a> {
    #[inline]
    fn from(flow: &'a Flow) -> Self {
        Self { flow, rare: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_that_are_not_kept_are_gone() {
        for with_rare in [false, true] {
            let mut flows = Flows::new();
            for port in 0..100_u16 {
                let mut flow = Flow { src_port: port, ..Flow::default() };
                if with_rare && port % 3 == 0 {
                    flow.rare_mut().app_name = format!("app {port}");
                    flow.rare_mut().mpls_labels.push(port.into());
                }
                flows.push(&flow);
            }
            let all = flows.to_vec();
            flows.retain(|_| true);
            assert_eq!(flows.to_vec(), all);
            flows.retain(|flow| flow.src_port() % 2 == 0);
            let even: Vec<_> = all.iter().filter(|flow| flow.src_port % 2 == 0).cloned().collect();
            assert_eq!(flows.to_vec(), even);
            flows.retain(|_| false);
            assert!(flows.is_empty());
            flows.push(&all[3]);
            assert_eq!(flows.to_vec(), all[3..4]);
        }
    }
}
