//! The dictionary of contigs of a table or a file (`@SQ`, `##contig`): order kept, names unique.

use std::{collections::HashMap, sync::Arc};

/// The number of a contig in its dictionary, from 0, in header order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContigId(pub u32);

/// One contig: an `@SQ` line of SAM, a `##contig` line of VCF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contig {
    /// `SN`, the name.
    pub name: Arc<str>,
    /// `LN`, the length in bases; `None` where a format does not say.
    pub length: Option<u64>,
    /// `M5`, the MD5 of the sequence, in lower-case hexadecimal.
    pub md5: Option<Arc<str>>,
}

/// Contigs in header order.
///
/// # Examples
///
/// ```
/// use genomdb_genome::{Contig, ContigId, Contigs};
///
/// let chr1 = Contig { name: "chr1".into(), length: Some(1000), md5: None };
/// let contigs = Contigs::new([chr1]).unwrap();
/// assert_eq!(contigs.id("chr1"), Some(ContigId(0)));
/// assert_eq!(contigs.get(ContigId(0)).unwrap().length, Some(1000));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contigs {
    list: Vec<Contig>,
    ids: HashMap<Arc<str>, ContigId>,
}

/// A name stands twice in a dictionary, or there are more than `u32::MAX - 1` contigs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContigsError {
    /// The same name twice.
    #[error("contig `{0}` is listed twice")]
    Duplicate(Arc<str>),
    /// More contigs than numbers.
    #[error("too many contigs")]
    TooMany,
}

impl Contigs {
    /// Creates a dictionary in the order given.
    ///
    /// # Errors
    ///
    /// If a name stands twice.
    pub fn new(contigs: impl IntoIterator<Item = Contig>) -> Result<Self, ContigsError> {
        let mut dictionary = Self::default();
        for contig in contigs {
            dictionary.push(contig)?;
        }
        Ok(dictionary)
    }

    /// Appends a contig and returns its number.
    ///
    /// # Errors
    ///
    /// If the name stands already.
    pub fn push(&mut self, contig: Contig) -> Result<ContigId, ContigsError> {
        // u32::MAX stands for "no contig" in block keys, so that unplaced reads come last.
        let id = u32::try_from(self.list.len()).ok().filter(|&id| id < u32::MAX).map(ContigId);
        let id = id.ok_or(ContigsError::TooMany)?;
        if self.ids.contains_key(&contig.name) {
            return Err(ContigsError::Duplicate(contig.name));
        }
        self.ids.insert(contig.name.clone(), id);
        self.list.push(contig);
        Ok(id)
    }

    /// Returns the number of a contig by its exact name.
    pub fn id(&self, name: &str) -> Option<ContigId> {
        self.ids.get(name).copied()
    }

    /// Returns a contig by its number.
    pub fn get(&self, id: ContigId) -> Option<&Contig> {
        self.list.get(usize::try_from(id.0).ok()?)
    }

    /// Returns how many contigs there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Tells whether there is no contig.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Iterates in header order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Contig> {
        self.list.iter()
    }
}
