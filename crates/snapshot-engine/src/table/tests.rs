use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use snapshot_format::{Addr, Name};

use super::{GROUP, Table};

/// Who, with a name of how many bytes, and where: an address of how many bytes, or nowhere.
#[derive(Clone, Copy, Debug)]
struct Step {
    who: u8,
    addr: Option<(u8, usize)>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Mostly short ones; some have a chunk of their own, some are longer than one.
    let len = prop_oneof![40 => 1_usize..40, 2 => 3_000_usize..6_000, 1 => 60_000_usize..80_000];
    let addr = prop_oneof![
        3 => (any::<u8>(), len).prop_map(Some),
        2 => Just(None),
    ];
    prop::collection::vec((0_u8..60, addr).prop_map(|(who, addr)| Step { who, addr }), 1..400)
}

/// Longer for every seventh, so that a few nodes fill chunks.
fn name(who: u8) -> Vec<u8> {
    let mut name = vec![b'n'; if who.is_multiple_of(7) { 3_800 } else { 20 + usize::from(who) }];
    name[0] = who;
    // No newline, whoever it is.
    if name[0] == b'\n' {
        name[0] = b'N';
    }
    name
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn check(table: &Table, model: &Model) {
    assert_eq!(table.len(), model.len());
    let alive: Model = table
        .iter()
        .map(|(name, addr)| (name.as_bytes().to_vec(), addr.as_bytes().to_vec()))
        .collect();
    assert!(alive == *model);
    let text: usize = model.iter().map(|(name, addr)| name.len() + addr.len()).sum();
    assert_eq!(table.text_bytes(), text);
    for who in 0..60 {
        let name = name(who);
        let addr = table.addr_of(Name::new(&name).unwrap()).map(|addr| addr.as_bytes().to_vec());
        assert!(addr.as_ref() == model.get(&name));
    }
    // The header and the rounding of a node are less than this.
    let live = text + model.len() * 32;
    assert!(table.arena.bytes() <= live * 16 / 7 + 65_536, "{} for {live}", table.arena.bytes());
}

fn slots(table: &Table) -> BTreeMap<Vec<u8>, usize> {
    let of = |slot: usize| Some((table.at(slot)?.0.as_bytes().to_vec(), slot));
    (0..table.slots()).filter_map(of).collect()
}

proptest! {
    #[test]
    fn a_table_is_a_map_whose_nodes_keep_their_slots(steps in steps(), group in 1..2 * GROUP) {
        let (mut table, mut single) = (Table::new(7), Table::new(8));
        let mut model = Model::new();
        for steps in steps.chunks(group) {
            let before = slots(&table);
            let left_once: Vec<_> =
                steps.iter().filter(|step| step.addr.is_none()).map(|step| name(step.who)).collect();
            let texts: Vec<_> = steps
                .iter()
                .map(|step| (name(step.who), step.addr.map(|(byte, len)| vec![b'0' + byte % 10; len])))
                .collect();
            let mut changes = Vec::new();
            for (name, addr) in &texts {
                let of = Name::new(name).unwrap();
                let addr_of = addr.as_deref().map(|addr| Addr::new(addr).unwrap());
                changes.push(addr_of.map_or_else(|| table.gone(of), |addr| table.alive(of, addr)));
                let alone = addr_of.map_or_else(|| single.gone(of), |addr| single.alive(of, addr));
                let old = match addr {
                    Some(addr) => model.insert(name.clone(), addr.clone()),
                    None => model.remove(name),
                };
                prop_assert_eq!(single.change_one(&alone), old != *addr);
            }
            table.change(&changes);
            check(&table, &model);
            check(&single, &model);
            let after = slots(&table);
            for (name, slot) in before {
                prop_assert!(left_once.contains(&name) || after.get(&name) == Some(&slot));
            }
        }
    }
}

#[test]
fn a_shrinking_table_gives_its_memory_back() {
    let mut table = Table::new(7);
    let names: Vec<_> = (0..20_000_u32).map(|number| number.to_string().into_bytes()).collect();
    let addr = Addr::new(b"10.0.0.1:7946").unwrap();
    for name in &names {
        let change = table.alive(Name::new(name).unwrap(), addr);
        assert!(table.change_one(&change));
    }
    assert!(table.arena.bytes() > 700_000);
    for (number, name) in names.iter().enumerate() {
        if number % 100 != 0 {
            let change = table.gone(Name::new(name).unwrap());
            assert!(table.change_one(&change));
        }
    }
    assert_eq!(table.len(), 200);
    assert!(table.arena.bytes() <= 200 * 48 * 16 / 7 + 65_536);
    assert!(table.iter().all(|(_, of)| of == addr));
}
