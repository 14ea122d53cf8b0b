//! The table from which a loss's options are made.

/// Options of a loss: a struct with its default values and one builder method for each field, and for `reduction`.
///
/// ```text
/// options! {
///     /// doc of the loss
///     pub struct Huber {
///         /// doc of the option
///         delta: f64 = 1.0,
///     }
/// }
/// ```
/// becomes a struct with private fields, `Default`, `new()`, `delta(self, impl Into<f64>)` and
/// `reduction(self, Reduction)`. A loss with tensors among its options is written `pub struct Name<T> { … }`.
macro_rules! options {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(<$t:ident>)? {
            $($(#[$doc:meta])* $field:ident: $ty:ty = $default:expr,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        #[must_use = "options do nothing until `forward` is called"]
        pub struct $name $(<$t: autograd::Float>)? {
            $(pub(crate) $field: $ty,)*
            pub(crate) reduction: crate::Reduction,
        }

        impl $(<$t: autograd::Float>)? Default for $name $(<$t>)? {
            fn default() -> Self {
                Self { $($field: $default,)* reduction: crate::Reduction::Mean }
            }
        }

        impl $(<$t: autograd::Float>)? $name $(<$t>)? {
            /// The default options.
            pub fn new() -> Self {
                Self::default()
            }

            $(
                $(#[$doc])*
                #[doc = concat!("\n\nDefault: `", stringify!($default), "`.")]
                pub fn $field(self, $field: impl Into<$ty>) -> Self {
                    Self { $field: $field.into(), ..self }
                }
            )*

            /// How the elements become one number. Default: `Mean`.
            pub fn reduction(mut self, reduction: crate::Reduction) -> Self {
                self.reduction = reduction;
                self
            }
        }
    };
}
