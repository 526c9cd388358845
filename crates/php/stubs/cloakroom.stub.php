<?php

/**
 * What Cloakroom is doing in this request and this worker. Session ids and passwords are never in it.
 *
 * @return array<string, bool|int|string|null>
 */
function cloakroom_status(): array {}

/**
 * Says who is logged in (1 to 191 bytes, such as "site:42"; null: nobody) from the next save or new id on, so that a
 * person's sessions can be listed and ended. False without an active session of Cloakroom, or with a bad length.
 */
function cloakroom_owner(?string $owner): bool {}

/** Saves the session now and goes on. False when it could not be saved, or there is none. */
function cloakroom_commit(): bool {}

/**
 * Takes a lock of this session: on the whole of it, or on what the site calls by the name `$path` (1 to 191 bytes; each
 * name excludes only itself). Waits at most `$wait` seconds (0 to 300; null: cloakroom.lock_wait), and brings $_SESSION up
 * to what others have saved until then, with this request's changes on top. Who has it may take it again. False when it
 * was not had, or there is no session; the request then goes on as before, and what it changes is merged.
 */
function cloakroom_lock(?string $path = null, ?float $wait = null): bool {}

/**
 * Saves the session and gives a lock back, the last time that it is called for each time that it was taken. False when it
 * was not held (any more), or the session could not be saved.
 */
function cloakroom_unlock(?string $path = null): bool {}

/**
 * Loads the record of a name that is no secret (a shop's user 42), or begins a new one that is stored with its first
 * commit. Returns a handle that is valid in this request; several handles on one name each remember what they had loaded.
 *
 * Options:
 * - `key` (string or list of strings): a secret of at least 32 characters, as site key where cloakroom.keys is not set;
 *   where that is set, records under this key are found as well, and moved. 64 hexadecimal digits are taken as in
 *   cloakroom.keys. Of several the first seals and all are tried.
 * - `namespace` (string, default `named`): names of two namespaces are apart. The site's own (cloakroom.namespace) is
 *   part of it in any case.
 * - `idle` (seconds; default as for sessions): how long the record lives after it was last used.
 * - `expires` (Unix time): until when it lives, instead of `idle`. Deadlines only move up.
 * - `owner` (string or null): who it belongs to, from the next commit on; left out, the record's owner stays.
 * - `rules` (string): merge rules of this record, as in cloakroom.merge_rules.
 *
 * False where there is no site key or the store fails; cloakroom_error() says why.
 *
 * @param array<string, mixed> $options
 */
function cloakroom_named_open(string $name, array $options = []): int|false {}

/** Whether there is a record: it was found, or made since. */
function cloakroom_named_exists(int $handle): bool {}

/**
 * The variables, as last loaded or committed. Objects become objects again as they do in a session, by the classes the
 * site has. Where they can't be read the array is empty, cloakroom_error() says so, and commits of this handle are refused.
 *
 * @return array<array-key, mixed>
 */
function cloakroom_named_data(int $handle): array {}

/** When the record ends if it is not used, as Unix time; null while there is none. */
function cloakroom_named_expires(int $handle): ?int {}

/**
 * Stores the variables, merged with what others have stored since this handle was loaded. From here on
 * cloakroom_named_data() gives what is stored, and the next commit is compared with that: go on with it, or what others
 * had added counts as removed. False when nothing was stored; cloakroom_error() says why.
 *
 * @param array<array-key, mixed> $data
 */
function cloakroom_named_commit(int $handle, array $data): bool {}

/**
 * Moves what is stored to another name (a guest's cart to the user who has logged in): first it is stored there, then it
 * is ended here; when that breaks off, doing it again adds nothing twice. What this handle has not committed stays behind.
 * Returns a handle on the target; false when nothing was moved.
 *
 * Options as in cloakroom_named_open(), by default those of `$handle` (but `owner`), and
 * - `onto`: `merge` (default; where both have the same variable, the rules decide, and then what is moved wins) or
 *   `replace` (what the target had goes).
 *
 * @param array<string, mixed> $options
 */
function cloakroom_named_move(int $handle, string $to_name, array $options = []): int|false {}

/**
 * Moves the deadline up: to a Unix time, or by the idle time that the handle was opened with (written at most once a
 * minute). Never down. False where there is no record (any more).
 */
function cloakroom_named_touch(int $handle, ?int $expires = null): bool {}

/** Ends the record under this name. Commits of handles that were loaded before are dropped. False when the store fails. */
function cloakroom_named_end(int $handle): bool {}

/** Forgets a handle before the request ends, for programs that open very many. Stores nothing. */
function cloakroom_named_close(int $handle): bool {}

/** Why the last of these functions gave false, null or nothing; empty when it went well. Never a password or an id. */
function cloakroom_error(): string {}

/**
 * How many records there are in the store, those of all its sites: live ones, of these with an owner, moved and ended
 * ones (kept a while so that nothing brings them back), bytes of live payloads. `estimate`: a sample was counted. Empty
 * when the store fails.
 *
 * @return array{live: int, owned: int, moved: int, ended: int, bytes: int, estimate: bool}|array{}
 */
function cloakroom_count(): array {}

/**
 * A page of this site's live records (its cloakroom.namespace), in the store's own order.
 *
 * Filter: `owner` (string), `older_than` (seconds since it was last used), `created_before` (Unix time), `larger_than` and
 * `smaller_than` (bytes), `search` (the first hexadecimal digits of the key), `named` (true: named records
 * alone, false: sessions alone). All must hold.
 *
 * A page looks at a bounded part of the store, so it may be shorter than `$limit` (1 to 500), even empty, though more
 * follow: `next` says so, and is the cursor to go on with.
 *
 * @param array<string, mixed> $filter
 * @return array{rows: list<array{key: string, created: int, touched: int, expires: int, owner: ?string, size: int,
 *     format: string, device: ?string, address: ?string, named: bool, current: bool}>, next: ?string}
 */
function cloakroom_page(array $filter = [], ?string $cursor = null, int $limit = 50): array {}

/**
 * One record by its key (64 hexadecimal digits, or the first 8 or more if only one begins so): a row of cloakroom_page(),
 * with `state` (`live`, `moved`, `ended`), `version` (how often it was written), `trail` (how many ids led to it). Never
 * its variables. Null where there is none, or the store fails.
 *
 * @return array<string, bool|int|string|null>|null
 */
function cloakroom_show(string $key): ?array {}

/**
 * The stored variables of the session with this id (not its key), encoded as session.serialize_handler says: '' where it is
 * empty, null where there is none that opens (or the store fails). The session is not used by it: it is not prolonged, waited
 * for or made this visitor's. What this request has changed in its own session and not saved is not in it.
 */
function cloakroom_peek(string $id): ?string {}

/** Ends one session by its key, given as in cloakroom_show(). Whether there was one that had not been ended. */
function cloakroom_end(string $key): bool {}

/**
 * Ends all sessions of an owner on every site of the store, and requests of theirs that still run can't bring one back;
 * with `$keep_current` all but the one of this request. `complete`: none can be left (false on stores that may evict).
 *
 * @return array{ended: int, complete: bool}
 */
function cloakroom_end_owner(string $owner, bool $keep_current = false): array {}

/**
 * Ends this site's sessions, this request's included, or those not used for so many seconds, for as long as half of a
 * request's time lasts. Named records stay. While `more`, call again with `next` as cursor.
 *
 * @return array{ended: int, more: bool, next: ?string}
 */
function cloakroom_end_all(?int $older_than = null, ?string $cursor = null): array {}

/**
 * What was counted in the last hours: `conflicts`, `alarms`, `waits`, `dropped`, `blame`, `sizes`, `early` (what
 * left before it was decided), `unreadable`. Largest count first, at most 2,000 rows. `hour`: the Unix time at which the hour began; `sum`: what goes with the count (microseconds
 * waited, bytes); `sample`: the latest example.
 *
 * @return list<array{label: string, hour: int, count: int, sum: int, sample: string}>
 */
function cloakroom_report(string $kind, int $hours = 24): array {}

/**
 * Removes at most so many expired records (up to 10,000), for as long as half of a request's time lasts.
 *
 * @return array{removed: int, more: bool}
 */
function cloakroom_sweep(int $limit = 200): array {}

/**
 * What can be seen from within PHP: the handler in force, whether the store answers, what kind it is, clocks, keys,
 * settings that are unsafe. A check may be `ok` and have advice all the same.
 *
 * @return list<array{check: string, ok: bool, text: string, advice: string}>
 */
function cloakroom_doctor(): array {}

/**
 * Adds merge rules (as in cloakroom.merge_rules) to this request's sessions, the open one and later ones; the site's own
 * come first. False when they can't be understood; then none is added.
 */
function cloakroom_rules(string $rules): bool {}

/**
 * The settings in force, passwords masked and keys only counted. Empty where they can't work; cloakroom_error() says why.
 *
 * @return array<string, bool|float|int|string|null>
 */
function cloakroom_settings(): array {}
