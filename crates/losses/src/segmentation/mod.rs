//! Losses of masks.
