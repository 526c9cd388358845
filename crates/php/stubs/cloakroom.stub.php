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
