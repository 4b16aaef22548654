//! The catalogue as its callers see it, over a real database and friends on loopback.

mod items;
mod live;
mod origins;
mod paging;
mod plans;
mod refresh;
mod rig;
mod scan;
mod search;
mod shared;
mod stubs;
