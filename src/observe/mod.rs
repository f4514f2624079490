//! What happens now: counters that every part may touch without a lock, and the snapshot that
//! `estelam stats` prints.

mod answer_kind;
mod counters;
mod file_kind;
mod histogram;
mod live;
mod quiet;
mod stats;

pub use answer_kind::AnswerKind;
pub use counters::{Counters, HttpError, Method, Timeout};
pub use file_kind::{FileAnswer, FileKind};
pub use histogram::{Histogram, HistogramSnapshot};
pub use live::{LaneStats, LiveStats};
pub(crate) use quiet::Quiet;
pub use stats::{AnswerTimes, ConnectionStats, FileStats, HttpStats, MethodCounts};
