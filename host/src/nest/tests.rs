mod desk;
mod fake;
mod looks;
mod names;
mod property;
mod semantics;
mod watching;
