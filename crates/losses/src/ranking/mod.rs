//! Losses of rankings and of pairs of scores.
