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
