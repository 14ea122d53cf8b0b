//! Finding the operation that made the first NaN or infinity.

use crate::var::Var;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::Location;
use tensor_core::{Anomaly, Error, Extent, Float, Result, Tensor};

/// What a tape looks for; see [`Tape::watching`](crate::Tape::watching).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// NaN. Infinities pass: they are at home in masked logits.
    Nan,
    /// NaN and infinities.
    NonFinite,
}

impl Watch {
    fn minds(self, x: &Extent) -> bool {
        x.nan > 0 || (self == Watch::NonFinite && x.infinite > 0)
    }
}

/// The call that made a node.
#[derive(Clone)]
struct Trace {
    op: &'static str,
    call: &'static Location<'static>,
    operands: Vec<(String, Extent)>,
}

/// What a tape remembers in order to name the culprit.
pub(crate) struct Watcher {
    watch: Watch,
    traces: RefCell<HashMap<usize, Trace>>,
    first: RefCell<Option<Box<Anomaly>>>,
    /// While a backward rule runs: the call of its operation. What the rule records comes from there.
    rule: Cell<Option<&'static Location<'static>>>,
    /// Calls from source files whose names begin like this are reported as made there; see [`Var::on_behalf`].
    behalf: Cell<Option<(&'static str, &'static Location<'static>)>>,
}

/// Ends the run of a rule, also by a panic.
pub(crate) struct InRule<'a>(&'a Watcher, Option<&'static Location<'static>>);

/// Ends what is done on behalf of a call, also by a panic.
struct Behalf<'a>(
    &'a Watcher,
    Option<(&'static str, &'static Location<'static>)>,
);

impl Drop for Behalf<'_> {
    fn drop(&mut self) {
        self.0.behalf.set(self.1);
    }
}

impl<T: Float> Var<T> {
    /// Runs `f` on behalf of a call of a user: where this value lies on a watched tape, operations that are called from
    /// source files whose names begin with `sources`, those of a library, are reported as called at `user`. A library
    /// whose functions call each other through trait objects or closures, which lose the place of a call, passes it on by
    /// this. A `user` in one of these files is none: then the call around this one counts.
    ///
    /// ```
    /// use autograd::{Tape, Tensor};
    /// use std::panic::Location;
    /// let tape = Tape::with_anomaly();
    /// let x = tape.leaf(Tensor::from([-1.0]));
    /// // In a library, whose function got `user` by its `#[track_caller]`:
    /// let user = Location::caller();
    /// x.on_behalf("crates/layers/src/", user, || x.sqrt());
    /// // This file is none of the library's, so the call is reported as it is.
    /// assert_eq!(tape.anomaly().map(|a| (a.op, a.file == file!())), Some(("sqrt", true)));
    /// ```
    pub fn on_behalf<R>(
        &self,
        sources: &'static str,
        user: &'static Location<'static>,
        f: impl FnOnce() -> R,
    ) -> R {
        let tape = self.tape();
        let known = !user.file().starts_with(sources);
        let watcher = tape.and_then(|tape| tape.watcher()).filter(|_| known);
        let _behalf = watcher.map(|w| Behalf(w, w.behalf.replace(Some((sources, user)))));
        f()
    }
}

impl Drop for InRule<'_> {
    fn drop(&mut self) {
        self.0.rule.set(self.1);
    }
}

impl Watcher {
    pub(crate) fn new(watch: Watch) -> Self {
        Watcher {
            watch,
            traces: RefCell::default(),
            first: RefCell::default(),
            rule: Cell::new(None),
            behalf: Cell::new(None),
        }
    }

    pub(crate) fn watch(&self) -> Watch {
        self.watch
    }

    pub(crate) fn first(&self) -> Option<Anomaly> {
        self.first.borrow().as_deref().cloned()
    }

    /// The error for the first anomaly, if there was one.
    pub(crate) fn check(&self) -> Result<()> {
        match &*self.first.borrow() {
            Some(first) => Err(Error::Anomaly(first.clone())),
            None => Ok(()),
        }
    }

    /// Takes over what another tape has found, for a computation that ran there on behalf of this one.
    pub(crate) fn adopt(&self, found: Option<Anomaly>) {
        if let Some(found) = found {
            self.first.borrow_mut().get_or_insert(Box::new(found));
        }
    }

    fn report(&self, trace: &Trace, pass: &'static str, what: String, culprit: Extent) {
        let mut first = self.first.borrow_mut();
        first.get_or_insert_with(|| {
            Box::new(Anomaly {
                op: trace.op,
                file: trace.call.file(),
                line: trace.call.line(),
                column: trace.call.column(),
                pass,
                what,
                culprit,
                operands: trace.operands.clone(),
            })
        });
    }

    /// Looks at the result of an operation on its way to becoming node `node`.
    pub(crate) fn see<T: Float>(
        &self,
        op: &'static str,
        call: &'static Location<'static>,
        inputs: &[&Var<T>],
        value: &Tensor<T>,
        node: usize,
    ) {
        let operands = (inputs.iter().enumerate())
            .map(|(i, x)| (format!("operand {i}"), Extent::of(x.value())))
            .collect();
        let in_rule = self.rule.get();
        let call = match self.behalf.get() {
            Some((sources, user)) if call.file().starts_with(sources) => user,
            _ => call,
        };
        let trace = Trace {
            op,
            call: in_rule.unwrap_or(call),
            operands,
        };
        let extent = Extent::of(value);
        // What a rule makes on its way is judged by what it returns.
        if in_rule.is_none() && self.watch.minds(&extent) {
            self.report(&trace, "forward", "the result".into(), extent);
        }
        self.traces.borrow_mut().insert(node, trace);
    }

    pub(crate) fn see_leaf<T: Float>(
        &self,
        op: &'static str,
        call: &'static Location<'static>,
        value: &Tensor<T>,
        node: usize,
    ) {
        self.see(op, call, &[], value, node);
    }

    /// Marks that the rule of `node` runs, until the guard is dropped.
    pub(crate) fn enter_rule(&self, node: usize) -> InRule<'_> {
        let call = self.traces.borrow().get(&node).map(|t| t.call);
        InRule(self, self.rule.replace(call))
    }

    /// Looks at the gradient `dy` that arrived at `node`.
    pub(crate) fn see_gradient<T: Float>(&self, node: usize, dy: &Var<T>) -> Result<()> {
        let extent = Extent::of(dy.value());
        if let (Some(trace), true) = (self.traces.borrow().get(&node), self.watch.minds(&extent)) {
            self.report(
                trace,
                "backward",
                "the gradient of the result".into(),
                extent,
            );
        }
        self.check()
    }

    /// Looks at the gradient `dx` that the rule of `node` made of `dy` for its operand `i`.
    pub(crate) fn see_rule<T: Float>(
        &self,
        node: usize,
        i: usize,
        dx: &Var<T>,
        dy: &Var<T>,
    ) -> Result<()> {
        let extent = Extent::of(dx.value());
        if !self.watch.minds(&extent) {
            return Ok(());
        }
        if let Some(mut trace) = self.traces.borrow().get(&node).cloned() {
            let dy = Extent::of(dy.value());
            trace.operands.push(("gradient of the result".into(), dy));
            let what = format!("the gradient of operand {i}");
            self.report(&trace, "backward", what, extent);
        }
        self.check()
    }
}
