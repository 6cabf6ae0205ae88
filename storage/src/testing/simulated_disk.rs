//! A disk in memory on which everything that can go wrong does, when told to.

use std::{
    collections::BTreeMap,
    io::{self, IoSlice},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::simulated_file::Content;
use crate::disk::{Disk, DiskFile};

/// What goes wrong, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every write, fsync and change of a name fails from the n-th on (from 0), as if the machine
    /// were gone; reads go on. The n-th write itself may yet reach the disk.
    Crash(u64),
    /// The n-th fsync from now on fails (from 0), once, and loses what it should have made durable.
    FailSync(u64),
    /// The n-th write from now on fails (from 0), once, with an I/O error.
    FailWrite(u64),
    /// Fsync says yes and does nothing. No store survives that; a test harness must notice.
    IgnoreSync,
}

/// A disk in memory; clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimulatedDisk(Arc<Mutex<Platter>>);

#[derive(Debug)]
struct Platter {
    files: Vec<Content>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names since the last sync of a folder, in order: what follows each.
    pending_names: Vec<BTreeMap<PathBuf, usize>>,
    faults: Vec<Fault>,
    /// Writes, fsyncs and changes of names so far.
    operations: u64,
    capacity_bytes: u64,
    /// Whether asking for free space tells the truth, or that there is plenty.
    honest: bool,
}

impl Default for SimulatedDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl SimulatedDisk {
    /// An empty disk of 1 TiB.
    pub fn new() -> Self {
        Self::with(Vec::new(), BTreeMap::new())
    }

    fn with(files: Vec<Content>, names: BTreeMap<PathBuf, usize>) -> Self {
        Self(Arc::new(Mutex::new(Platter {
            files,
            durable_names: names.clone(),
            names,
            pending_names: Vec::new(),
            faults: Vec::new(),
            operations: 0,
            capacity_bytes: 1 << 40,
            honest: true,
        })))
    }

    /// Makes something go wrong.
    pub fn inject(&self, fault: Fault) {
        let mut platter = self.0.lock();
        let operations = platter.operations;
        platter.faults.push(match fault {
            Fault::Crash(number) => Fault::Crash(operations + number),
            other => other,
        });
    }

    /// Takes all faults back.
    pub fn heal(&self) {
        self.0.lock().faults.clear();
    }

    /// Sets the size of the disk, and whether it tells how much of that is free.
    pub fn set_capacity(&self, bytes: u64, honest: bool) {
        let mut platter = self.0.lock();
        (platter.capacity_bytes, platter.honest) = (bytes, honest);
    }

    /// Bytes in use.
    pub fn used_bytes(&self) -> u64 {
        self.0.lock().used_bytes()
    }

    /// Writes, fsyncs and changes of names so far.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// The disk as a power cut would leave it now: of what no fsync covers, any part may be lost.
    pub fn after_power_cut(&self, seed: u64) -> Self {
        let platter = self.0.lock();
        let mut random = StdRng::seed_from_u64(seed);
        let files = platter.files.iter().map(|file| file.after_power_cut(&mut random)).collect();
        // A journal keeps changes of names in order, so some first ones are there.
        let kept = random.random_range(0..=platter.pending_names.len());
        let names = match kept.checked_sub(1).and_then(|last| platter.pending_names.get(last)) {
            Some(names) => names.clone(),
            None => platter.durable_names.clone(),
        };
        Self::with(files, names)
    }

    /// The disk as the death of the process would leave it now: with everything written.
    pub fn after_kill(&self) -> Self {
        let platter = self.0.lock();
        let files = platter.files.iter().map(Content::after_kill).collect();
        Self::with(files, platter.names.clone())
    }

    /// Files and their lengths.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let platter = self.0.lock();
        let length = |file: &usize| platter.files.get(*file).map_or(0, |file| file.seen.len());
        platter.names.iter().map(|(path, file)| (path.clone(), length(file) as u64)).collect()
    }

    /// Changes a byte of a file behind everybody's back; false if there is no such byte.
    pub fn flip(&self, path: &Path, offset: u64, mask: u8) -> bool {
        let mut platter = self.0.lock();
        let Some(file) = platter.names.get(path).copied() else { return false };
        let byte = platter.files.get_mut(file).and_then(|file| file.seen.get_mut(offset as usize));
        byte.map(|byte| *byte ^= mask).is_some()
    }
}

impl Platter {
    fn used_bytes(&self) -> u64 {
        self.names.values().filter_map(|file| self.files.get(*file)).map(Content::allocated).sum()
    }

    fn crashed(&self) -> bool {
        self.faults.iter().any(|fault| matches!(fault, Fault::Crash(number) if *number < self.operations))
    }

    /// Counts an operation; an error if the machine is gone.
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.crashed() { Err(io::Error::other("simulated crash")) } else { Ok(()) }
    }

    /// Counts down a fault of one kind; true when it strikes.
    fn strikes(&mut self, kind: impl Fn(&mut Fault) -> Option<&mut u64>) -> bool {
        let mut struck = false;
        self.faults.retain_mut(|fault| match kind(fault) {
            Some(0) => {
                struck = true;
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        });
        struck
    }

    /// The file, if there is space for these bytes of it.
    fn grow(&mut self, file: usize, bytes: Range<usize>) -> io::Result<&mut Content> {
        let growth = self.files.get(file).map_or(0, |file| file.growth(bytes));
        if growth > 0 && self.used_bytes() + growth > self.capacity_bytes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.files.get_mut(file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change_names(&mut self, change: impl FnOnce(&mut BTreeMap<PathBuf, usize>)) {
        change(&mut self.names);
        self.pending_names.push(self.names.clone());
    }
}

impl Disk for SimulatedDisk {
    fn create_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut platter = self.0.lock();
        let file = match platter.names.get(path) {
            Some(file) => *file,
            None if create => {
                platter.operate()?;
                platter.files.push(Content::default());
                let file = platter.files.len() - 1;
                platter.change_names(|names| _ = names.insert(path.to_owned(), file));
                file
            }
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Arc::new(SimulatedFile { disk: self.clone(), file }))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        let platter = self.0.lock();
        let names = platter.names.keys().filter(|name| name.parent() == Some(path));
        Ok(names.filter_map(|name| Some(name.file_name()?.to_str()?.to_owned())).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut platter = self.0.lock();
        platter.operate()?;
        let file = platter.names.get(from).copied();
        let file = file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        platter.change_names(|names| {
            names.remove(from);
            names.insert(to.to_owned(), file);
        });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut platter = self.0.lock();
        platter.operate()?;
        if !platter.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        platter.change_names(|names| _ = names.remove(path));
        Ok(())
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        let mut platter = self.0.lock();
        platter.operate()?;
        if !platter.faults.contains(&Fault::IgnoreSync) {
            platter.pending_names.clear();
            platter.durable_names = platter.names.clone();
        }
        Ok(())
    }

    fn total_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(self.0.lock().capacity_bytes)
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        let platter = self.0.lock();
        let free = platter.capacity_bytes.saturating_sub(platter.used_bytes());
        Ok(if platter.honest { free } else { u64::MAX })
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    file: usize,
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        let platter = self.disk.0.lock();
        Ok(platter.files.get(self.file).map_or(0, |file| file.seen.len()) as u64)
    }

    fn allocated_bytes(&self) -> io::Result<u64> {
        let platter = self.disk.0.lock();
        Ok(platter.files.get(self.file).map_or(0, Content::allocated))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut platter = self.disk.0.lock();
        platter.operate()?;
        platter.grow(self.file, 0..0)?.set_len(length as usize);
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut platter = self.disk.0.lock();
        platter.operate()?;
        let file = platter.grow(self.file, 0..length as usize)?;
        if file.seen.len() < length as usize {
            file.set_len(length as usize);
        }
        file.allocate(0..length as usize);
        Ok(())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if buffer.is_empty() {
            return Ok(());
        }
        let platter = self.disk.0.lock();
        let end = offset as usize + buffer.len();
        let bytes = platter.files.get(self.file).and_then(|f| f.seen.get(offset as usize..end));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut platter = self.disk.0.lock();
        let gone = platter.crashed();
        let operated = platter.operate();
        if gone {
            return operated;
        }
        let strikes = platter.strikes(|fault| match fault {
            Fault::FailWrite(left) => Some(left),
            _ => None,
        });
        if strikes {
            return Err(io::Error::other("simulated write error"));
        }
        let place = offset as usize..offset as usize + bytes.len();
        platter.grow(self.file, place)?.write(offset as usize, bytes);
        operated
    }

    fn write_vectored_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.write_all_at(&bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.disk.0.lock();
        platter.operate()?;
        let strikes = platter.strikes(|fault| match fault {
            Fault::FailSync(left) => Some(left),
            _ => None,
        });
        if strikes {
            // As Linux does: the pages are clean afterwards, so the next fsync says yes.
            if let Some(file) = platter.files.get_mut(self.file) {
                file.lose_pending();
            }
            return Err(io::Error::other("simulated fsync error"));
        }
        if !platter.faults.contains(&Fault::IgnoreSync)
            && let Some(file) = platter.files.get_mut(self.file)
        {
            file.sync();
        }
        Ok(())
    }

    fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }
}
