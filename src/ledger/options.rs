//! How RocksDB is set up: every write synced, every damage seen, memory bounded.
//!
//! | memory | at most |
//! | --- | --- |
//! | memtables, all column families | 5 MiB, and as much again while it is being flushed |
//! | block cache, with filters and indexes | 24 MiB |
//! | open tables | 256 files, a few KiB each |
//!
//! What is written in the order of the keys costs the same however small the memtables are: their tables
//! do not overlap, and compaction moves them down as they are. For what is not, compaction must come as
//! rarely as large memtables make it come: hence more tables on level 0.

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType,
    DBRecoveryMode, LogLevel, Options, WriteOptions,
};

use super::keys;

/// A bound on what the families' own limits do not bound: no more than 16 MiB in all.
const MEMTABLES_OCTETS: usize = 16 << 20;
const BLOCK_CACHE_OCTETS: usize = 24 << 20;

/// For the whole database. `create` makes one where there is none.
///
/// Recovery replays the write-ahead log up to the first damage ("point in time"). A batch is one
/// record and the only one that is not synced yet, so a crash leaves damage in the last record alone,
/// which nobody was promised. Damage before that, or an end that is missing, would lose acknowledged
/// entries: it is told from a torn end by the number of the last acknowledged write (`high_water`),
/// which is compared before RocksDB may change a file.
pub(super) fn database(create: bool) -> Options {
    let mut options = Options::default();
    options.create_if_missing(create);
    options.create_missing_column_families(create);
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_track_and_verify_wals_in_manifest(true);
    // One manifest record for all families: a flush that a failing disk cuts short would else leave some of
    // them newer than others, and the log behind the newer ones is not read again.
    options.set_atomic_flush(true);
    options.set_db_write_buffer_size(MEMTABLES_OCTETS);
    // Families that change rarely would else keep old logs alive, and starting replays them.
    options.set_max_total_wal_size(64 << 20);
    options.set_max_background_jobs(2);
    options.set_max_open_files(256);
    options.set_bytes_per_sync(1 << 20);
    // For every file that is being written, the log among them.
    options.set_writable_file_max_buffer_size(64 << 10);
    options.set_max_manifest_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(256 << 10);
    options
}

/// The column families, sharing one block cache.
pub(super) fn families() -> [ColumnFamilyDescriptor; 9] {
    let cache = Cache::new_lru_cache(BLOCK_CACHE_OCTETS);
    let family = |name, options| ColumnFamilyDescriptor::new(name, options);
    [
        // RocksDB insists on it; it stays empty.
        family(DEFAULT, small(&cache)),
        family(keys::ENTRIES, scanned(&cache, 1 << 20)),
        family(keys::STATUS, looked_up(&cache)),
        family(keys::REVOKED, revoked(&cache)),
        family(keys::ISSUERS, small(&cache)),
        family(keys::TREE, small(&cache)),
        family(keys::PUSHES, small(&cache)),
        family(keys::CHECKPOINTS, small(&cache)),
        family(keys::META, small(&cache)),
    ]
}

pub(super) const DEFAULT: &str = "default";

/// Synced: when it returns, the batch is on the disk.
pub(super) fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

/// Only ever scanned, so that many tables on level 0 are no matter.
fn revoked(cache: &Cache) -> Options {
    let mut options = scanned(cache, 1 << 20);
    level_0_tables(&mut options, 24);
    options
}

/// Read in order, for the most part.
fn scanned(cache: &Cache, write_buffer_octets: usize) -> Options {
    family(&tables(cache, 16 << 10), write_buffer_octets)
}

/// Read by key, and asked for keys that do not exist: a filter of 10 bits a key answers 99 in 100 of
/// those without a read. Filters and indexes are cut into parts, so that the cache bounds them.
fn looked_up(cache: &Cache) -> Options {
    let mut tables = tables(cache, 8 << 10);
    tables.set_bloom_filter(10.0, false);
    tables.set_partition_filters(true);
    let mut options = family(&tables, 2 << 20);
    // Each is one more to look into.
    level_0_tables(&mut options, 12);
    options.set_memtable_whole_key_filtering(true);
    options.set_memtable_prefix_bloom_ratio(0.05);
    options
}

fn small(cache: &Cache) -> Options {
    family(&tables(cache, 4 << 10), 1 << 20)
}

fn family(tables: &BlockBasedOptions, write_buffer_octets: usize) -> Options {
    let mut options = Options::default();
    options.set_block_based_table_factory(tables);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(write_buffer_octets);
    options.set_max_write_buffer_number(2);
    // An eighth, as is the default, is a lot for a memtable that has just begun.
    options.set_arena_block_size(64 << 10);
    options.set_level_compaction_dynamic_level_bytes(true);
    options
}

/// Compacts level 0 when it has `tables`; long before writing slows down for it.
fn level_0_tables(options: &mut Options, tables: i32) {
    options.set_level_zero_file_num_compaction_trigger(tables);
    options.set_level_zero_slowdown_writes_trigger(tables.saturating_mul(4));
    options.set_level_zero_stop_writes_trigger(tables.saturating_mul(6));
}

fn tables(cache: &Cache, block_octets: usize) -> BlockBasedOptions {
    let mut tables = BlockBasedOptions::default();
    tables.set_block_cache(cache);
    tables.set_block_size(block_octets);
    tables.set_cache_index_and_filter_blocks(true);
    tables.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    tables.set_format_version(6);
    tables
}
