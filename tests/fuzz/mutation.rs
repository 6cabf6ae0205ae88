//! Real inputs, changed at random in a few places: cut, flipped, repeated, moved, put together.

/// Random numbers (xorshift64*) from a seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`; 0 if there is none.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound.max(1)
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Bytes that decoders trip over: ends of ranges, as numbers of one, four and eight bytes and as varints.
const TRAPS: &[&[u8]] = &[
    &[0],
    &[0xff],
    &[0x7f],
    &[0x80],
    &[0xff; 4],
    &[0xff, 0xff, 0xff, 0x7f],
    &[0, 0, 0, 0x80],
    &[0xff; 8],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
];

/// Returns one of `inputs` with one to four changes.
pub(crate) fn mutated(inputs: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = random.pick(inputs).clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let length = 1 + random.below((bytes.len() - at).min(32));
        match random.below(8) {
            _ if bytes.is_empty() => bytes.push(random.next() as u8),
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => {
                let trap = *random.pick(TRAPS);
                let end = bytes.len().min(at + trap.len());
                bytes[at..end].copy_from_slice(&trap[..end - at]);
            }
            3 => drop(bytes.splice(at..at, random.pick(TRAPS).iter().copied())),
            4 => drop(bytes.drain(at..at + length)),
            5 => {
                let repeated = bytes[at..at + length].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, repeated);
            }
            6 if random.below(4) == 0 => bytes.truncate(at),
            _ => {
                let other = random.pick(inputs);
                let from = random.below(other.len());
                let part = &other[from..other.len().min(from + length)];
                let end = bytes.len().min(at + part.len());
                bytes.splice(at..end, part.iter().copied());
            }
        }
    }
    bytes
}

/// Returns one of `texts` with one to four words left out, repeated, exchanged or taken from another text.
pub(crate) fn mutated_words(texts: &[Vec<String>], random: &mut Random) -> Vec<u8> {
    let mut words = random.pick(texts).clone();
    for _ in 0..=random.below(4) {
        let (at, other) = (random.below(words.len()), random.below(words.len()));
        match random.below(4) {
            _ if words.is_empty() => {}
            0 => drop(words.remove(at)),
            1 => words.swap(at, other),
            2 => words.insert(at, words[other].clone()),
            _ => words[at] = random.pick(random_text(texts, other)).clone(),
        }
    }
    words.concat().into_bytes()
}

fn random_text(texts: &[Vec<String>], number: usize) -> &[String] {
    &texts[number % texts.len()]
}
