//! Which thread reads what.
//!
//! A thread reads a row group from its start to its end, since the dictionaries of its columns have to be looked at
//! once. When there is no other left, it takes over half of what another thread has before it.

use std::sync::{Mutex, PoisonError};

use netflow_parquet::{FlowFile, PAGE_ROWS};

/// Rows that are taken at a time.
const ROWS: usize = PAGE_ROWS;
/// Fewer rows are not divided: to begin with the dictionaries again would take longer.
const LEAST_ROWS: usize = 6 * PAGE_ROWS;

/// Some rows of a row group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit<'a> {
    /// Number of the file.
    pub(super) at: usize,
    pub(super) file: &'a FlowFile,
    pub(super) group: usize,
    pub(super) start: usize,
    pub(super) rows: usize,
}

/// Row groups of files.
#[derive(Debug)]
pub(super) struct Queue<'a> {
    files: &'a [FlowFile],
    state: Mutex<State<'a>>,
}

#[derive(Debug)]
struct State<'a> {
    /// The next row group: number of the file, and within it.
    next: (usize, usize),
    /// What each thread has before it.
    threads: Vec<Option<Unit<'a>>>,
}

impl<'a> Queue<'a> {
    pub(super) fn new(files: &'a [FlowFile], threads: usize) -> Self {
        Self { files, state: Mutex::new(State { next: (0, 0), threads: vec![None; threads] }) }
    }

    /// The next rows for a thread; `None` when there are none left.
    pub(super) fn take(&self, thread: usize) -> Option<Unit<'a>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = state.threads[thread].filter(|own| own.rows > 0);
        if own.is_none() {
            own = state.fresh(self.files).or_else(|| state.half());
        }
        let mut unit = own?;
        let rows = unit.rows.min(ROWS);
        state.threads[thread] = Some(Unit { start: unit.start + rows, rows: unit.rows - rows, ..unit });
        unit.rows = rows;
        Some(unit)
    }
}

impl<'a> State<'a> {
    fn fresh(&mut self, files: &'a [FlowFile]) -> Option<Unit<'a>> {
        loop {
            let (at, group) = self.next;
            let file = files.get(at)?;
            if group >= file.row_groups() {
                self.next = (at + 1, 0);
                continue;
            }
            self.next = (at, group + 1);
            let rows = file.row_group_rows(group).unwrap_or(0);
            if rows > 0 {
                return Some(Unit { at, file, group, start: 0, rows });
            }
        }
    }

    /// Half of what a thread has before it, the most that one has. Pages begin there in most files.
    fn half(&mut self) -> Option<Unit<'a>> {
        let most = self.threads.iter_mut().flatten().max_by_key(|unit| unit.rows)?;
        if most.rows < LEAST_ROWS {
            return None;
        }
        let kept = (most.rows / 2).next_multiple_of(PAGE_ROWS);
        let rest = Unit { start: most.start + kept, rows: most.rows - kept, ..*most };
        most.rows = kept;
        Some(rest)
    }
}
