//! What a CIGAR must obey: known operations, clips outermost, as many bases as SEQ.

use genomdb_genome::alignment::{Cigar, Record};

use crate::error::{Fault, printable};

const SOFT_CLIP: u32 = 4;
const HARD_CLIP: u32 = 5;
const CODE_MAX: u32 = 8;

/// One bit for each code: M, I, S, = and X cover bases of SEQ; M, D, N, = and X bases of the reference.
const CONSUMES_QUERY: u32 = 0b1_1001_0011;
const CONSUMES_REFERENCE: u32 = 0b1_1000_1101;

/// Checks the CIGAR of a record against itself, SEQ and POS.
pub(super) fn check(record: &Record<'_>) -> Result<(), Fault> {
    let fault = |reason| Err(Fault::new("CIGAR", reason));
    let (operations, rest) = record.cigar.as_bytes().as_chunks::<4>();
    if !rest.is_empty() {
        return fault("its bytes break off".into());
    }
    let (mut covered, mut spanned) = (0_u64, 0_u64);
    let mut clips = Clips::default();
    for operation in operations {
        let word = u32::from_le_bytes(*operation);
        let (code, length) = (word & 0xf, u64::from(word >> 4));
        if code > CODE_MAX {
            return fault(format!("operation code {code} is unknown"));
        }
        covered += length * u64::from(CONSUMES_QUERY >> code & 1);
        spanned += length * u64::from(CONSUMES_REFERENCE >> code & 1);
        if !clips.accept(code) {
            return fault(format!("a clip lies inside `{}`", shown(record.cigar)));
        }
    }
    if !operations.is_empty() && record.base_count > 0 && covered != u64::from(record.base_count) {
        return fault(format!("covers {covered} bases, SEQ has {}", record.base_count));
    }
    if i64::try_from(spanned).ok().and_then(|span| record.start.max(0).checked_add(span)).is_none() {
        return fault(format!("spans {spanned} bases of the reference, beyond any position"));
    }
    Ok(())
}

/// H stands only outermost, S only there or next to H.
#[derive(Clone, Copy, Default)]
enum Clips {
    #[default]
    Nothing,
    HardBefore,
    SoftBefore,
    Aligned,
    SoftAfter,
    HardAfter,
}

impl Clips {
    fn accept(&mut self, code: u32) -> bool {
        *self = match (code, *self) {
            (HARD_CLIP, Self::Nothing | Self::HardBefore) => Self::HardBefore,
            (HARD_CLIP, _) => Self::HardAfter,
            (_, Self::HardAfter) => return false,
            (SOFT_CLIP, Self::Nothing | Self::HardBefore | Self::SoftBefore) => Self::SoftBefore,
            (SOFT_CLIP, _) => Self::SoftAfter,
            (_, Self::SoftAfter) => return false,
            (_, _) => Self::Aligned,
        };
        true
    }
}

fn shown(cigar: Cigar<'_>) -> String {
    printable(cigar.to_string().as_bytes())
}
