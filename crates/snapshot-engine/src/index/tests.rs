use alloc::collections::BTreeSet;

use proptest::prelude::*;

use super::{Hash, Index};
use crate::arena::Place;

proptest! {
    /// With so few hashes nearly all entries collide, and stand across the end of the table.
    #[test]
    fn an_index_finds_what_is_in_it(
        steps in prop::collection::vec((0_usize..40, any::<bool>()), 1..300),
        hashes in prop::collection::vec(prop_oneof![Just(1_u32), Just(6), Just(7), Just(u32::MAX)], 40),
    ) {
        let mut index = Index::new();
        let mut model = BTreeSet::new();
        for (who, add) in steps {
            let (hash, place) = (Hash::new(hashes[who]).unwrap(), Place::new(who + 1));
            match (add, model.contains(&who)) {
                (true, false) => index.insert(hash, place),
                // It moves, and back again.
                (true, true) => {
                    index.replace(hash, place, Place::new(who + 101));
                    prop_assert!(index.find(hash, |found| found == place).is_none());
                    index.replace(hash, Place::new(who + 101), place);
                }
                (false, _) => index.remove(hash, place),
            }
            if add { model.insert(who); } else { model.remove(&who); }
            prop_assert_eq!(index.len(), model.len());
            for (who, &hash) in hashes.iter().enumerate() {
                let hash = Hash::new(hash).unwrap();
                let found = index.find(hash, |found| found == Place::new(who + 1)).is_some();
                prop_assert_eq!(found, model.contains(&who));
            }
        }
    }
}
