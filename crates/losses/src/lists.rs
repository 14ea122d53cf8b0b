//! A list of indices for each row, of whatever length, in two allocations for all rows.

/// Lists of indices, one for each row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists {
    items: Vec<usize>,
    ends: Vec<usize>,
}

impl Lists {
    /// Without a row; there will be `rows`.
    pub fn with_rows(rows: usize) -> Self {
        Lists {
            items: Vec::new(),
            ends: Vec::with_capacity(rows),
        }
    }

    /// Ends a row that consists of `items`, and returns it.
    pub fn push(&mut self, items: impl IntoIterator<Item = usize>) -> &mut [usize] {
        let start = self.items.len();
        self.items.extend(items);
        self.ends.push(self.items.len());
        &mut self.items[start..]
    }

    /// The list of row `i`.
    #[inline(always)]
    pub fn row(&self, i: usize) -> &[usize] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.items[start..self.ends[i]]
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }
}
