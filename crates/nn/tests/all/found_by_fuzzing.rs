//! What the fuzz targets have found in this crate, each as it was found.

use nn::prelude::*;

#[test]
fn counts_of_a_file_that_cannot_go_up() {
    let mut state = State::<f64>::new();
    state.set_note("t", u64::MAX);
    state.set_note("base.0", 0.5);
    state.set_note("best", 1.0);
    state.set_note("bad_epochs", u64::MAX);
    state.set_note("cooling", 0);
    let mut sgd = Sgd::<f64>::new(0.5);

    let mut scheduler = Scheduler::new(StepLr::new(2), &mut sgd).unwrap();
    scheduler.load_state(&state).unwrap();
    scheduler.step(&mut sgd).unwrap();
    assert_eq!(scheduler.steps(), u64::MAX);

    let mut plateau = ReduceLrOnPlateau::new(Goal::Min);
    plateau.load_state(&state).unwrap();
    sgd.set_lr(0.5);
    plateau.step(&mut sgd, 2.0).unwrap();
    assert_eq!(sgd.lr(), 0.05);
}
