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
/// `reduction(self, Reduction)`. A loss with tensors among its options is written `pub struct Name<T> { … }`; what is
/// not reduced, or only in one way, `pub struct Name without reduction { … }`.
macro_rules! options {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(<$t:ident>)? {
            $($fields:tt)*
        }
    ) => {
        options! {
            @plain
            $(#[$meta])*
            pub struct $name $(<$t>)? { $($fields)* }
            beside reduction: crate::Reduction = crate::Reduction::Mean,
        }

        impl $(<$t: autograd::Float>)? $name $(<$t>)? {
            /// How the elements become one number. Default: `Mean`.
            pub fn reduction(mut self, reduction: crate::Reduction) -> Self {
                self.reduction = reduction;
                self
            }
        }
    };
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(<$t:ident>)? without reduction {
            $($fields:tt)*
        }
    ) => {
        options! {
            @plain
            $(#[$meta])*
            pub struct $name $(<$t>)? { $($fields)* }
            beside
        }
    };
    (
        @plain
        $(#[$meta:meta])*
        pub struct $name:ident $(<$t:ident>)? {
            $($(#[$doc:meta])* $field:ident: $ty:ty = $default:expr,)*
        }
        beside $($more:ident: $more_ty:ty = $more_default:expr,)?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        #[must_use = "options do nothing until `forward` is called"]
        pub struct $name $(<$t: autograd::Float>)? {
            $(pub(crate) $field: $ty,)*
            $(pub(crate) $more: $more_ty,)?
        }

        impl $(<$t: autograd::Float>)? Default for $name $(<$t>)? {
            fn default() -> Self {
                Self { $($field: $default,)* $($more: $more_default,)? }
            }
        }

        #[allow(clippy::needless_update)] // A struct may have no field beside the one that is set.
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
        }
    };
}
