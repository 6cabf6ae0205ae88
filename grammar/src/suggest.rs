//! "Did you mean …?"

/// Finds the candidate that is most likely meant by a misspelt name, if one is near enough.
///
/// Case is ignored. Swapped neighbours count as one mistake. Of equally near candidates the first wins.
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    // A third of the letters may differ; a name of two letters must be right but for one.
    let most = (wanted.len() / 3).max(1);
    if wanted.len() > NAME_CHARACTERS_MAX {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
        if other.len().abs_diff(wanted.len()) > most {
            continue;
        }
        let distance = edit_distance(&wanted, &other);
        let near = distance <= most && distance < wanted.len().max(other.len());
        if near && best.is_none_or(|(found, _)| distance < found) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Longer names are not compared: the cost is their product.
const NAME_CHARACTERS_MAX: usize = 200;

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, &y) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut cost =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&y) && b.get(j - 1) == Some(&x);
            if swapped && x != y {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let columns = ["mapq", "flag", "qname", "chrom", "mate_chrom", "start", "end"];
        let check = |name, want: Option<&str>| assert_eq!(suggest(name, columns), want, "{name}");
        check("mapp", Some("mapq"));
        check("MAPQ", Some("mapq"));
        check("falg", Some("flag"));
        check("crhom", Some("chrom"));
        check("matechrom", Some("mate_chrom"));
        check("x", None);
        check("sequence", None);
        check("", None);
    }
}
