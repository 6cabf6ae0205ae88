//! Whether some of many changes add up to what was found.

/// A change of several numbers at once: number, and by how much.
pub(super) type Changes = Vec<(usize, i64)>;

/// Whether a subset of `changes` adds up to `wanted`; none if `steps_max` did not suffice to tell.
pub(super) fn adds_up(mut changes: Vec<Changes>, wanted: &[i64], steps_max: u64) -> Option<bool> {
    changes.retain(|change| change.iter().any(|(_, amount)| *amount != 0));
    // Changes of the same numbers lie together, so that what they leave over is soon known.
    changes.sort();
    // What the changes from each on can still add to a number, at least and at most.
    let mut bounds = vec![vec![(0_i128, 0_i128); wanted.len()]; changes.len() + 1];
    for (at, change) in changes.iter().enumerate().rev() {
        let mut bound = bounds.get(at + 1).cloned().unwrap_or_default();
        for (number, amount) in change {
            if let Some((least, most)) = bound.get_mut(*number) {
                *least += i128::from(*amount).min(0);
                *most += i128::from(*amount).max(0);
            }
        }
        if let Some(place) = bounds.get_mut(at) {
            *place = bound;
        }
    }
    // Depth first; of equal changes the later ones are taken only after the earlier ones.
    let mut left: Vec<(usize, Vec<i128>, bool)> =
        vec![(0, wanted.iter().map(|number| i128::from(*number)).collect(), true)];
    let mut steps = 0;
    while let Some((at, missing, previous_taken)) = left.pop() {
        steps += 1;
        if steps > steps_max {
            return None;
        }
        let fits = bounds.get(at).is_some_and(|bounds| {
            bounds.iter().zip(&missing).all(|((least, most), missing)| least <= missing && missing <= most)
        });
        if !fits {
            continue;
        }
        let Some(change) = changes.get(at) else { return Some(true) };
        let same_as_previous = at > 0 && changes.get(at - 1) == Some(change);
        left.push((at + 1, missing.clone(), false));
        if !same_as_previous || previous_taken {
            let mut missing = missing;
            for (number, amount) in change {
                if let Some(missing) = missing.get_mut(*number) {
                    *missing -= i128::from(*amount);
                }
            }
            left.push((at + 1, missing, true));
        }
    }
    Some(false)
}
