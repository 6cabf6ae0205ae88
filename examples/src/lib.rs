//! Examples of GenomDB: programs under `src/bin`, GQL beside this folder. The gate runs each of them.
