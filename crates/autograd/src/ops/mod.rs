//! The differentiable operations, each with its rule beside it.

mod activation;
mod algebra;
mod arith;
mod arrange;
mod between;
mod binary;
mod index;
mod linalg;
mod linear;
mod matmul;
mod norm;
mod pick;
mod place;
mod product;
mod reduce;
mod scan;
mod softmax;
mod sort;
mod step;
mod tiles;
mod unary;
mod view;
