//! What overlaps are measured over, and which elements belong to which.

use autograd::{Dims, Error, Result};
use std::ops::Range;

/// What one overlap is measured over; the loss has an element for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Region {
    /// A whole sample: one overlap for each index of the first dimension.
    #[default]
    Sample,
    /// A class in a sample: one for each pair of indices of the first two dimensions.
    SampleClass,
    /// A class in the whole batch: one for each index of the second dimension.
    Class,
    /// Everything: a single one. The input may have any shape.
    Batch,
}

/// How the elements of an input of shape `(outer, classes, len)` belong to regions.
#[derive(Clone)]
pub(super) struct Grid {
    pub region: Region,
    pub outer: usize,
    pub classes: usize,
    pub len: usize,
    /// The shape of one value for each region.
    pub shape: Dims,
}

impl Grid {
    /// For an input of `shape`; `split` tells its classes apart though the region does not.
    pub fn new(op: &'static str, shape: &[usize], region: Region, split: bool) -> Result<Self> {
        let (outer, classes, len) = match *shape {
            [outer, classes, ref rest @ ..] => (outer, classes, rest.iter().product()),
            _ if region == Region::Batch && !split => (1, 1, shape.iter().product()),
            _ => {
                return Err(Error::Shape {
                    op,
                    what: "the input",
                    got: shape.into(),
                    expected: "it must be (N, …), a class for each index of the second dimension where classes are told \
                               apart; for one overlap of all elements take `Region::Batch`"
                        .into(),
                });
            }
        };
        let (mut planes, mut shape) = ((outer, classes, len), Dims::new());
        match region {
            Region::Sample => shape.push(outer),
            Region::SampleClass => shape.extend([outer, classes]),
            Region::Class => shape.push(classes),
            Region::Batch => {}
        }
        match region {
            Region::Sample if !split => planes = (outer, 1, classes * len),
            Region::Batch if !split => planes = (1, 1, outer * classes * len),
            _ => {}
        }
        let (outer, classes, len) = planes;
        Ok(Grid {
            region,
            outer,
            classes,
            len,
            shape,
        })
    }

    /// How many there are.
    pub fn regions(&self) -> usize {
        self.shape.iter().product()
    }

    /// The region of the elements that share the first two indices; `plane` counts through these.
    pub fn region(&self, plane: usize) -> usize {
        match self.region {
            Region::Sample => plane / self.classes,
            Region::SampleClass => plane,
            Region::Class => plane % self.classes,
            Region::Batch => 0,
        }
    }

    /// The regions that the elements at `range` may belong to.
    pub fn regions_of(&self, range: &Range<usize>) -> Range<usize> {
        if range.is_empty() || self.region == Region::Class {
            return 0..self.regions();
        }
        let plane = |at: usize| at / self.len;
        self.region(plane(range.start))..self.region(plane(range.end - 1)) + 1
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::testing::Case;

    /// The region that a case names.
    pub fn region(case: &Case<'_>) -> Region {
        match case.word("region") {
            None | Some("sample") => Region::Sample,
            Some("sample_class") => Region::SampleClass,
            Some("class") => Region::Class,
            Some("batch") => Region::Batch,
            Some(other) => panic!("region {other}"),
        }
    }
}
