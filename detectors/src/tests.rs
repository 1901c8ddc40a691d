//! The series from outside: traffic in, what it says out.

mod behaviour;
mod bounds;
mod equality;
mod hostile;
mod traffic;
