//! Ctrl-C: the batch in hand is finished, what there is is saved, and the program ends as it would have later.

use nn::prelude::*;
use nn::trainer::{Batch, Callback, Flow};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether Ctrl-C was pressed. As a callback of a trainer it ends the training; a loop of one's own asks
/// [`pressed`](Interrupt::pressed).
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    pressed: Arc<AtomicBool>,
}

impl Interrupt {
    /// Watches for Ctrl-C from now on; pressed a second time it ends the program at once.
    pub fn watch() -> Self {
        let interrupt = Interrupt::default();
        let pressed = interrupt.pressed.clone();
        let watching = ctrlc::set_handler(move || {
            if pressed.swap(true, Ordering::SeqCst) {
                // What a shell reports for a program that Ctrl-C ended.
                std::process::exit(130);
            }
            eprintln!("\nstopping after this batch; Ctrl-C once more to stop at once");
        });
        if let Err(e) = watching {
            eprintln!("warning: Ctrl-C will end the program at once: {e}");
        }
        interrupt
    }

    /// Whether it was pressed.
    pub fn pressed(&self) -> bool {
        self.pressed.load(Ordering::SeqCst)
    }
}

impl Callback for Interrupt {
    fn batch(&mut self, _: &Batch, _: &mut dyn Optimizer<f32>) -> Result<Flow> {
        Ok(if self.pressed() { Flow::Stop } else { Flow::Go })
    }
}
