//! The tables: made on first use, and again when somebody dropped them. Many processes may do so at once.

use super::sql::Sql;

/// Version of the layout, kept in the comment of each table, so that a later release knows what it finds.
pub(super) const SCHEMA: u32 = 1;

/// The row that everybody passes who writes a session that was not its owner's before; see [`sql`](super::sql).
pub(super) const GATE: &str = "('',0,18446744073709551615,NULL)";

/// How many statements [`create`] has.
pub(super) const STATEMENTS: usize = 5;

/// The statements that make the tables where they are missing.
///
/// Everything is binary: no collation ever takes two keys or owners for one. Times are milliseconds since 1970. Every
/// table has a primary key, as Galera demands.
pub(super) fn create(sql: &Sql) -> String {
    let Sql { records, owners, leases, reports, .. } = sql;
    let like = |what: &str| {
        format!(
            "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET binary COMMENT='Cloakroom {what}, schema {SCHEMA}'"
        )
    };
    format!(
        "CREATE TABLE IF NOT EXISTS {records} (\
         `k` BINARY(32) NOT NULL,\
         `incarnation` BIGINT UNSIGNED NOT NULL,\
         `counter` BIGINT UNSIGNED NOT NULL,\
         `state` TINYINT UNSIGNED NOT NULL,\
         `kind` TINYINT UNSIGNED NOT NULL,\
         `at` BIGINT UNSIGNED NOT NULL,\
         `created` BIGINT UNSIGNED NOT NULL,\
         `touched` BIGINT UNSIGNED NOT NULL,\
         `idle` BIGINT UNSIGNED NOT NULL,\
         `absolute` BIGINT UNSIGNED NULL,\
         `owner` VARBINARY(191) NULL,\
         `format` TINYINT UNSIGNED NOT NULL,\
         `size` INT UNSIGNED NOT NULL,\
         `about` MEDIUMBLOB NOT NULL,\
         `envelope` LONGBLOB NOT NULL,\
         `due` BIGINT UNSIGNED NOT NULL,\
         PRIMARY KEY (`k`),KEY `due` (`due`),KEY `owner` (`owner`,`k`)) {};\
         CREATE TABLE IF NOT EXISTS {owners} (\
         `owner` VARBINARY(191) NOT NULL,\
         `at` BIGINT UNSIGNED NOT NULL,\
         `until` BIGINT UNSIGNED NOT NULL,\
         `except` BINARY(32) NULL,\
         PRIMARY KEY (`owner`),KEY `until` (`until`)) {};\
         CREATE TABLE IF NOT EXISTS {leases} (\
         `name` BINARY(32) NOT NULL,\
         `token` BIGINT UNSIGNED NOT NULL,\
         `host` BINARY(16) NOT NULL,\
         `pid` INT UNSIGNED NOT NULL,\
         `started` BIGINT UNSIGNED NOT NULL,\
         `since` BIGINT UNSIGNED NOT NULL,\
         `until` BIGINT UNSIGNED NOT NULL,\
         PRIMARY KEY (`name`),KEY `until` (`until`)) {};\
         CREATE TABLE IF NOT EXISTS {reports} (\
         `kind` TINYINT UNSIGNED NOT NULL,\
         `hour` INT UNSIGNED NOT NULL,\
         `label` VARBINARY(191) NOT NULL,\
         `count` BIGINT UNSIGNED NOT NULL,\
         `sum` BIGINT UNSIGNED NOT NULL,\
         `sample` VARBINARY(1000) NOT NULL,\
         PRIMARY KEY (`kind`,`hour`,`label`),KEY `hour` (`hour`)) {};\
         INSERT IGNORE INTO {owners} (`owner`,`at`,`until`,`except`) VALUES {GATE}",
        like("sessions"),
        like("ended owners"),
        like("leases"),
        like("reports"),
    )
}
