//! SAM, BAM and CRAM: what htslib accepts is loaded, counted, and comes back as `samtools view -h` prints it;
//! what is wrong is an error that leaves nothing.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use genomdb_formats::{Header, OpenOptions, Source, open, sam};
use genomdb_loader::{
    CancelToken, Config, LoadError, LoadReport, LoadRequest, load, read_catalog, read_source,
};
use genomdb_storage::{KeyRange, ScanLimit, Storage};

use crate::{
    corpus::{Case, alignments, exceptions, root},
    references::References,
};

/// Small enough that most files become several blocks.
fn config(folder: &Path) -> Config {
    let mut config =
        Config { spill_folder: folder.join("spill"), memory_bytes: 8 << 20, ..Config::default() };
    config.block.records_max = 1_000;
    config
}

fn load_file(
    storage: &Storage,
    folder: &Path,
    path: &Path,
    table: &str,
    reference: Option<PathBuf>,
) -> Result<LoadReport, LoadError> {
    let source = Source::Path(path.to_owned());
    let request =
        LoadRequest { reference, config: config(folder), ..LoadRequest::new(source, "main", table) };
    load(storage, request, &|_| {}, &CancelToken::new())
}

/// The FASTA that a CRAM needs, copied because samtools writes an index beside it.
struct Fastas {
    references: References,
    folder: PathBuf,
    copies: HashMap<PathBuf, PathBuf>,
}

impl Fastas {
    fn find(&mut self, path: &Path) -> Option<PathBuf> {
        let is_cram = path.extension().is_some_and(|extension| extension == "cram");
        let reader = is_cram.then(|| open(Source::Path(path.to_owned()), &OpenOptions::default()).ok());
        let fasta = self.references.find(&reader.flatten()?.header().contigs)?.to_owned();
        let copy = self.folder.join(format!("{}.fa", self.copies.len()));
        let copied = self.copies.entry(fasta.clone()).or_insert_with(|| {
            fs::copy(&fasta, &copy).unwrap();
            copy
        });
        Some(copied.clone())
    }
}

#[test]
fn what_htslib_accepts_is_loaded_and_comes_back() {
    let Some(root) = root() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut fastas = Fastas {
        references: References::of(&root),
        folder: folder.path().to_owned(),
        copies: HashMap::new(),
    };
    let storage = Storage::open(folder.path().join("data"), genomdb_storage::Config::default()).unwrap();
    let refused = exceptions("refused");
    let (mut wrong, mut compared) = (Vec::new(), 0);
    let cases = alignments(&root);
    let accepted: Vec<&Case> =
        cases.iter().filter(|case| case.records.is_some() && !case.is_failed()).collect();
    for (number, case) in accepted.iter().enumerate() {
        let (path, table) = (root.join(&case.path), format!("t{number}"));
        let reference = fastas.find(&path);
        match load_file(&storage, folder.path(), &path, &table, reference.clone()) {
            Err(_) if refused.contains_key(case.path.as_str()) => {}
            Err(error) => wrong.push(format!("{}: {error}", case.path)),
            Ok(_) if refused.contains_key(case.path.as_str()) => {
                wrong.push(format!("{}: was loaded, take it off the list", case.path));
            }
            Ok(report) => {
                let expected = samtools_view(&path, reference.as_deref());
                compared += u32::from(expected.is_some());
                if let Err(reason) = check(&storage, folder.path(), &table, &report, case, expected) {
                    wrong.push(format!("{}: {reason}", case.path));
                }
            }
        }
    }
    eprintln!("{} files, {compared} compared with samtools", accepted.len());
    assert!(wrong.is_empty(), "{} files are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Checks count and text of what was loaded.
fn check(
    storage: &Storage,
    folder: &Path,
    table: &str,
    report: &LoadReport,
    case: &Case,
    expected: Option<Vec<u8>>,
) -> Result<(), String> {
    let catalog = read_catalog(storage).unwrap();
    let entry = catalog.table("main", table).ok_or("its table is missing")?;
    if (Some(entry.records()), entry.records()) != (case.records, report.records) {
        return Err(format!("{} records, {:?} expected", entry.records(), case.records));
    }
    let mut reader = read_source(storage, &catalog, "main", table, &report.name, config(folder))
        .map_err(|error| error.to_string())?;
    let header = Header { text: reader.header_text().to_vec(), ..Header::default() };
    let mut writer = sam::Writer::new(Vec::new());
    writer.write_header(&header).unwrap();
    while let Some(records) = reader.next_batch().map_err(|error| error.to_string())? {
        for record in records.iter() {
            writer.write(&record, reader.contigs()).map_err(|error| error.to_string())?;
        }
    }
    expected.map_or(Ok(()), |expected| same_text(&writer.into_inner(), &expected))
}

fn same_text(ours: &[u8], theirs: &[u8]) -> Result<(), String> {
    if ours == theirs {
        return Ok(());
    }
    let lines = |text: &[u8]| -> Vec<String> {
        text.split(|&byte| byte == b'\n').map(|line| line.escape_ascii().to_string()).collect()
    };
    let (ours, theirs) = (lines(ours), lines(theirs));
    let place = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs);
    let place = place.unwrap_or(ours.len().min(theirs.len()));
    let line = |lines: &[String]| {
        let line = lines.get(place).map_or("(no line)", String::as_str);
        line.get(..300).unwrap_or(line).to_owned()
    };
    Err(format!("line {}:\n  ours   {}\n  theirs {}", place + 1, line(&ours), line(&theirs)))
}

/// Returns what samtools prints, where it is installed.
fn samtools_view(path: &Path, reference: Option<&Path>) -> Option<Vec<u8>> {
    let mut command = Command::new("samtools");
    command.args(["view", "-h", "--no-PG"]);
    reference.into_iter().for_each(|reference| {
        command.arg("-T").arg(reference);
    });
    let output = command.arg(path).output().ok()?;
    assert!(output.status.success(), "samtools failed on {}", path.display());
    Some(output.stdout)
}

#[test]
fn what_is_wrong_leaves_nothing() {
    let Some(root) = root() else { return };
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path().join("data"), genomdb_storage::Config::default()).unwrap();
    let loaded = exceptions("loaded");
    let mut wrong = Vec::new();
    let cases = alignments(&root);
    for case in cases.iter().filter(|case| case.records.is_none() || case.is_failed()) {
        let is_cram = case.path.ends_with(".cram");
        let listed = loaded.contains_key(case.path.as_str());
        match load_file(&storage, folder.path(), &root.join(&case.path), "reads", None) {
            // What htslib refused there was the network, not the file; or the file is good after all.
            Ok(_) if listed || is_cram => {
                genomdb_loader::drop_table(&storage, "main", "reads").unwrap().collect().unwrap();
            }
            Ok(_) => wrong.push(format!("{}: was loaded", case.path)),
            Err(error) if listed => wrong.push(format!("{}: take it off the list ({error})", case.path)),
            Err(error) => {
                let message = error.to_string();
                let name = case.path.rsplit('/').next().unwrap();
                if message.contains('\n') || !message.contains(name) {
                    wrong.push(format!("{}: a message of one line that names it: {message}", case.path));
                }
            }
        }
        // The catalog's counters are the only key.
        let keys = storage.scan_keys_blocking(&KeyRange::all(), ScanLimit::default()).unwrap().entries;
        if !read_catalog(&storage).unwrap().tables.is_empty() || keys.len() > 1 {
            wrong.push(format!("{}: it left something behind", case.path));
            break;
        }
    }
    assert!(wrong.is_empty(), "{} files are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
