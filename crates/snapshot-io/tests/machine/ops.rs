//! What can happen to a snapshot.

use proptest::prelude::*;
use snapshot_io::Durability;
use snapshot_io::sim::{Call, Fault};

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Join(u8, u8),
    Update(u8, u8),
    Fail(u8),
    Leave(u8),
    Reap(u8),
    User(u64),
    Query(u64),
    Clock(u64),
    /// The owner itself leaves.
    Depart,
    /// Many joins at once.
    Flood(u8),
    Step(u8),
    Advance(u32),
    Sync,
    Compact,
    /// The next call of this kind fails so, or all until the repair.
    Break(Call, Fault),
    Repair,
    Full(u16),
    /// Somebody else appends, replaces, cuts or removes the file.
    Foreign(u8),
    Kill,
    PowerCut(u64),
    Close,
}

/// How the snapshot of a history is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub durability: Durability,
    pub rejoin_after_leave: bool,
    pub min_compact_size: u64,
    pub max_pending: usize,
    pub max_failed: usize,
}

pub(crate) fn history() -> impl Strategy<Value = (Settings, Vec<Op>)> {
    (settings(), prop::collection::vec(op(), 1..60))
}

fn settings() -> impl Strategy<Value = Settings> {
    let durability = prop_oneof![
        Just(Durability::Always),
        Just(Durability::Os),
        Just(Durability::Interval(std::time::Duration::from_secs(5)))
    ];
    let sizes = prop::sample::select(vec![(0, 200), (600, 4000), (4000, 200_000)]);
    (durability, any::<bool>(), sizes, 1_usize..4).prop_map(
        |(durability, rejoin_after_leave, sizes, max_failed)| {
            let (min_compact_size, max_pending) = sizes;
            Settings { durability, rejoin_after_leave, min_compact_size, max_pending, max_failed }
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let node = 0_u8..6;
    prop_oneof![
        6 => (node.clone(), 0_u8..3).prop_map(|(node, addr)| Op::Join(node, addr)),
        1 => (node.clone(), 0_u8..3).prop_map(|(node, addr)| Op::Update(node, addr)),
        3 => node.clone().prop_map(Op::Fail),
        2 => node.clone().prop_map(Op::Leave),
        1 => node.prop_map(Op::Reap),
        2 => (0_u64..50).prop_map(Op::User),
        2 => (0_u64..50).prop_map(Op::Query),
        2 => (0_u64..50).prop_map(Op::Clock),
        1 => Just(Op::Depart),
        2 => any::<u8>().prop_map(Op::Flood),
        8 => (1_u8..9).prop_map(Op::Step),
        5 => prop_oneof![Just(1), Just(499), Just(500), Just(5000), Just(31_000), 0_u32..2000].prop_map(Op::Advance),
        3 => Just(Op::Sync),
        3 => Just(Op::Compact),
        4 => fault().prop_map(|(call, fault)| Op::Break(call, fault)),
        3 => Just(Op::Repair),
        1 => (0_u16..4000).prop_map(Op::Full),
        1 => (0_u8..4).prop_map(Op::Foreign),
        2 => Just(Op::Kill),
        3 => any::<u64>().prop_map(Op::PowerCut),
        1 => Just(Op::Close),
    ]
}

fn fault() -> impl Strategy<Value = (Call, Fault)> {
    let call = prop::sample::select(vec![
        Call::Create,
        Call::Write,
        Call::Write,
        Call::Sync,
        Call::Rename,
        Call::SyncDir,
        Call::Remove,
        Call::Compare,
    ]);
    let errno = prop::sample::select(vec![
        libc::EIO,
        libc::ENOSPC,
        libc::EDQUOT,
        libc::EACCES,
        libc::EROFS,
        libc::EBUSY,
        libc::EMFILE,
    ]);
    (call, errno, 0_u8..4, 0_usize..90, any::<bool>()).prop_map(
        |(call, errno, kind, bytes, lasting)| {
            let fault = match kind {
                0 if call == Call::Write => Fault::short(bytes),
                1 => Fault::error(errno).leaving(bytes),
                2 if call == Call::Rename => Fault::error(errno).although_done(),
                _ => Fault::error(errno),
            };
            (call, if lasting { fault.lasting() } else { fault })
        },
    )
}
