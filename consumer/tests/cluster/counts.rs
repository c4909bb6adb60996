//! What schedules went through: a simulation that never gets to a zombie proves nothing about zombies.

use std::fmt;

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// How often what happened.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct Counts {
            $($(#[$doc])* pub(crate) $name: u64,)*
        }

        impl Counts {
            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// What never happened.
            pub(crate) fn missing(&self) -> Vec<&'static str> {
                let all = [$((stringify!($name), self.$name)),*];
                all.into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
            }
        }

        impl fmt::Display for Counts {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(write!(f, "{} {}, ", self.$name, stringify!($name))?;)*
                Ok(())
            }
        }
    };
}

counts! {
    /// Events of all kinds.
    events,
    /// Workers that restored a partition, or began one.
    restored,
    /// Workers that went on from what the one before them in the same process had parked.
    unparked,
    /// Workers that were drained in time.
    drained,
    /// Processes that gave their share up.
    revoked,
    /// Processes that found that their share was given away.
    lost,
    killed,
    /// Processes that died between two writes of a checkpoint.
    died_writing,
    stopped,
    paused,
    /// Requests without an acknowledgement in time.
    unacknowledged,
    /// Checkpoints given up.
    given_up,
    /// Writes that arrived when whoever had sent them was at it no more.
    late_writes,
    /// Snapshots that came behind a higher one.
    buried,
    /// Workers that went over to another generation.
    superseded,
    resets,
    migrations,
    compacted,
    /// Compactions that took the highest snapshot, for a lower one stood behind it.
    undone,
    /// Times that the log lost its beginning.
    retained,
    commits,
}
