//! Which rows of a batch are wanted.

/// Rows of a batch, counted from 0, in ascending order.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// How many rows the batch has, where all are wanted.
    all: Option<usize>,
    rows: Vec<u32>,
}

impl Selection {
    /// All rows of a batch.
    pub fn all(rows: usize) -> Self {
        Self { all: Some(rows), rows: Vec::new() }
    }

    /// Makes it all rows of a batch.
    pub fn set_all(&mut self, rows: usize) {
        self.all = Some(rows);
    }

    /// The rows, to be replaced by others in ascending order: none at first.
    pub fn set_rows(&mut self) -> &mut Vec<u32> {
        self.all = None;
        self.rows.clear();
        &mut self.rows
    }

    /// Whether all rows of the batch are in it.
    pub fn is_all(&self) -> bool {
        self.all.is_some()
    }

    /// The rows, unless all are.
    pub fn rows(&self) -> Option<&[u32]> {
        match self.all {
            Some(_) => None,
            None => Some(&self.rows),
        }
    }

    /// How many rows are in it.
    pub fn len(&self) -> usize {
        self.all.unwrap_or(self.rows.len())
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows one by one.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let some = if self.all.is_some() { &[][..] } else { &self.rows };
        (0..self.all.unwrap_or(0)).chain(some.iter().map(|&row| row as usize))
    }
}
