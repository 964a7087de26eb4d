//! File descriptors: how many there are, and who may have them. Clients and the primary come first; a mirrored leg
//! that answers nothing must not keep a user out.
//!
//! [`share`] only counts. Holding to it is up to the server and to each upstream.

use std::io;

/// Kept back for listeners, the store, the admin interface and whatever the runtime opens.
const RESERVED: usize = 64;

/// Connections to the primary that clients who only keep theirs open do not take from those who ask: more requests at
/// once than this are rare, and each client that is silent needs no connection but its own.
const FOR_PRIMARY: usize = 4096;

/// So many file descriptors have their places in the process's table from the start. It would grow by itself, but each
/// time it doubles, whoever opens something then is held up until all processors have seen it: some ten milliseconds.
#[cfg(target_os = "linux")]
const PREPARED: u64 = 32_768;

/// Connections at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    pub clients: usize,
    pub primary: usize,
    /// For each mirrored leg.
    pub mirror_each: usize,
}

/// Raises the soft limit on file descriptors as far as the system lets it, and has the places of the first of them made;
/// the limit from there on. To be called before there are threads, which would be held up.
///
/// # Errors
/// Those of the system; the limit stays what it was.
pub fn raise_descriptors() -> io::Result<u64> {
    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    #[cfg(target_os = "linux")]
    if let Ok(last) = i32::try_from(PREPARED.min(limit).saturating_sub(1)) {
        // Places made for one that is closed again stay. Where it cannot be had, they are made when they are needed.
        let _ = rustix::io::fcntl_dupfd_cloexec(io::stderr(), last);
    }
    Ok(limit)
}

/// The file descriptors that may be open at once; without bound where that cannot be told.
pub fn descriptors() -> u64 {
    #[cfg(unix)]
    let soft = rlimit::Resource::NOFILE.get_soft().unwrap_or(u64::MAX);
    #[cfg(not(unix))]
    let soft = u64::MAX;
    soft
}

/// Divides `descriptors` among `max_connections` clients, connections to the primary (as many, or [`FOR_PRIMARY`] at
/// least), and `legs` mirrored legs, which share a quarter: enough to be asked in bursts, too little to take the rest
/// from those who are served.
pub fn share(descriptors: u64, max_connections: usize, legs: usize) -> Shares {
    let usable = usize::try_from(descriptors).unwrap_or(usize::MAX).saturating_sub(RESERVED);
    let legs = legs.max(1);
    let mirror_each = (usable / 4 / legs).max(1);
    let served = usable.saturating_sub(mirror_each.saturating_mul(legs));
    let clients = served.saturating_sub(FOR_PRIMARY.min(served / 2)).min(max_connections).max(1);
    Shares { clients, primary: served.saturating_sub(clients).max(1), mirror_each }
}

/// What to tell where `max_connections` clients do not fit.
pub fn warning(descriptors: u64, max_connections: usize, legs: usize) -> Option<String> {
    let shares = share(descriptors, max_connections, legs);
    if shares.clients >= max_connections {
        return None;
    }
    let served = max_connections.saturating_add(max_connections.min(FOR_PRIMARY));
    let needed = served.saturating_mul(4).div_ceil(3).saturating_add(RESERVED + legs.max(1));
    Some(format!(
        "`listen.max_connections` is {max_connections}, and {descriptors} file descriptors are enough for {} clients \
         (one for each, others for connections to the primary, the mirrored legs' and our own): more are turned away. \
         help: raise the hard limit (`ulimit -Hn {needed}`, `LimitNOFILE={needed}`) or lower `listen.max_connections`",
        shares.clients
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mirrored_legs_share_a_quarter_and_no_more() {
        assert_eq!(share(100_064, 10_000, 1), Shares { clients: 10_000, primary: 65_000, mirror_each: 25_000 });
        assert_eq!(share(100_064, 10_000, 2), Shares { clients: 10_000, primary: 65_000, mirror_each: 12_500 });
        assert_eq!(share(20_000, 10_000, 1), Shares { clients: 10_000, primary: 4952, mirror_each: 4984 });
        assert_eq!(share(1024, 10_000, 1), Shares { clients: 360, primary: 360, mirror_each: 240 });
        assert_eq!(share(1024, 10_000, 2), Shares { clients: 360, primary: 360, mirror_each: 120 });
    }

    #[test]
    fn a_warning_names_what_fits_and_what_would_be_needed() {
        let told = warning(4096, 10_000, 1).unwrap();
        assert!(told.contains("4096 file descriptors are enough for 1512 clients"), "{told}");
        assert!(told.contains("LimitNOFILE=18860"), "{told}");
        assert_eq!(warning(18_860, 10_000, 1), None);
    }

    #[test]
    #[cfg(unix)]
    fn the_soft_limit_becomes_the_hard_one() {
        let (_, hard) = rlimit::Resource::NOFILE.get().unwrap();
        let raised = raise_descriptors().unwrap();
        assert_eq!(raised, descriptors());
        assert!(cfg!(target_os = "macos") || raised == hard, "{raised} of {hard}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_table_of_descriptors_need_not_grow_beside_traffic() {
        let limit = raise_descriptors().unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap();
        assert!(size.trim().parse::<u64>().unwrap() >= PREPARED.min(limit), "{size}");
    }

    proptest! {
        #[test]
        fn no_more_is_given_out_than_there_is(descriptors in 128_u64.., clients in 1_usize..20_000_000, legs in 1_usize..3) {
            let shares = share(descriptors, clients, legs);
            let mirrors = shares.mirror_each * legs;
            let all = usize::try_from(descriptors).unwrap();
            prop_assert!(shares.clients + shares.primary + mirrors <= all, "{shares:?}");
            prop_assert!(mirrors <= all / 4 && shares.clients <= clients && shares.primary >= shares.clients.min(FOR_PRIMARY), "{shares:?}");
        }
    }
}
