<?php
/**
 * The other half of tests/php_oracle.rs: one long-lived process that makes sessions, encodes and decodes them with PHP's own
 * handlers, and merges them by a second implementation of the rules, on PHP's values instead of on text.
 *
 * Requests and answers on stdin and stdout: number of fields, then each field, all lengths as four bytes, big-endian.
 */
declare(strict_types=1);

final class Customer
{
    public $name = 'n';
    protected $visits = 1;
    private $secret = "\0\xff";
    public $other;
}

final class Bag
{
    public array $things = [];
    public function __serialize(): array { return ['things' => $this->things, 7 => 'x']; }
    public function __unserialize(array $data): void { $this->things = $data['things']; }
}

enum Suit: string
{
    case Hearts = 'h';
    case Spades = 's';
}

/** Keeps nothing: only encoding and decoding are wanted. */
final class Nowhere implements SessionHandlerInterface
{
    public function open(string $path, string $name): bool { return true; }
    public function close(): bool { return true; }
    public function read(string $id): string { return ''; }
    public function write(string $id, string $data): bool { return true; }
    public function destroy(string $id): bool { return true; }
    public function gc(int $max): int|false { return 0; }
}

function in_session(string $handler, callable $do): mixed
{
    ini_set('session.serialize_handler', $handler);
    session_start();
    $result = $do();
    session_abort();
    $_SESSION = [];
    return $result;
}

function encode(string $handler, array $session): string
{
    return (string) in_session($handler, function () use ($session) {
        $_SESSION = $session;
        return session_encode();
    });
}

/** The variables, or null if PHP can't read the payload. */
function decode(string $handler, string $payload): ?array
{
    return in_session($handler, function () use ($payload) {
        $_SESSION = [];
        if ($payload !== '' && !@session_decode($payload)) {
            if (session_status() !== PHP_SESSION_ACTIVE) {
                session_start();
            }
            return null;
        }
        return $_SESSION;
    });
}

// ---------------------------------------------------------------- making sessions

function chance(int $percent): bool { return mt_rand(1, 100) <= $percent; }
function pick(array $of): mixed { return $of[mt_rand(0, count($of) - 1)]; }

function scalar_value(): mixed
{
    return match (mt_rand(0, 9)) {
        0 => null,
        1 => chance(50),
        2, 3 => mt_rand(-5, 5),
        4 => pick([PHP_INT_MAX, PHP_INT_MIN, 0, -1, 1 << 40]),
        5 => pick([INF, -INF, -0.0, 0.1, 1.0E+25, 1e17, 1e16, 1.5, 5e-324, 100000.0, 1 / 3]),
        6 => pick(['', 'a', "\0", "\xff\xfe|", 'a|i:1;', '}";', 'ü', '5', 's:1:"x";']),
        7 => random_text(mt_rand(0, 40)),
        default => 'word' . mt_rand(0, 3),
    };
}

function random_text(int $length): string
{
    $text = '';
    while (strlen($text) < $length) {
        $text .= chr(mt_rand(0, 255));
    }
    return $text;
}

function key_for(): int|string
{
    return pick(['a', 'b', 'c', 'd', 0, 1, 2, -3, '07', '', "k\0", 'long key', 12]);
}

/** All elements differ, so that there is only one longest common subsequence. */
function new_element(): mixed
{
    static $number = 0;
    $number++;
    return chance(75) ? "element $number" : ['id' => $number, 'qty' => 1];
}

function list_value(): array
{
    $list = [];
    for ($i = mt_rand(0, 5); $i > 0; $i--) {
        $list[] = new_element();
    }
    return $list;
}

function object_value(int $depth): object
{
    switch (mt_rand(0, 4)) {
        case 0:
            $object = new stdClass();
            $object->{'a'} = value($depth - 1);
            $object->{'5'} = 1;
            return $object;
        case 1:
            $object = new Customer();
            $object->other = chance(30) ? $object : value($depth - 1);
            return $object;
        case 2:
            $object = new Bag();
            $object->things = [value($depth - 1), scalar_value()];
            return $object;
        default:
            return pick(Suit::cases());
    }
}

function value(int $depth): mixed
{
    if ($depth <= 0) {
        return scalar_value();
    }
    switch (mt_rand(0, 11)) {
        case 0: case 1: case 2: case 3:
            return scalar_value();
        case 4:
            return list_value();
        case 5:
            return object_value($depth);
        case 6: // tied inside
            $array = ['x' => value($depth - 1), 'in' => ['y' => scalar_value()]];
            if (chance(50)) {
                $array['in']['tie'] = &$array['in']['y'];
            } else {
                $array['tie'] = &$array['in']['y'];
            }
            return $array;
        case 7:
            $object = object_value($depth - 1);
            return ['one' => $object, 'same' => $object, 'z' => 1];
        default:
            $array = [];
            for ($i = mt_rand(0, 5); $i > 0; $i--) {
                $array[key_for()] = value($depth - 1);
            }
            return $array;
    }
}

function names(string $handler): array
{
    $names = ['v0', 'v1', 'v2', 'v3', 'v4', 'v5', '!bang', '', "bin\0\xff", 'user', 's:1:"a";'];
    return $handler === 'php_serialize' ? [...$names, 'with|bar', 3, -4] : $names;
}

function session(string $handler): array
{
    $session = [];
    for ($i = mt_rand(0, 7); $i > 0; $i--) {
        $session[pick(names($handler))] = value(3);
    }
    tie($session, $handler);
    return $session;
}

function tie(array &$session, string $handler): void
{
    while (chance(35) && $session) {
        $keys = array_keys($session);
        $from = pick($keys);
        $to = pick(names($handler));
        if ($from === $to) {
            continue;
        }
        // Not written through an older reference, which could tie a variable into itself.
        unset($session[$to]);
        switch (mt_rand(0, 3)) {
            case 0:
                $session[$to] = &$session[$from];
                break;
            case 1:
                $session[$to] = [1, 'ref' => 0];
                $session[$to]['ref'] = &$session[$from];
                break;
            case 2:
                $shared = object_value(2);
                $session[$from] = $shared;
                $session[$to] = ['o' => $shared];
                break;
            default:
                $inner = 'shared';
                $session[$from] = ['deep' => ['x' => 1]];
                $session[$from]['deep']['r'] = &$inner;
                $session[$to] = ['also' => 1];
                $session[$to]['r'] = &$inner;
                unset($inner);
        }
    }
}

function change(array &$session, string $handler): void
{
    for ($i = mt_rand(0, 3); $i > 0; $i--) {
        $keys = array_keys($session);
        $name = $keys && chance(75) ? pick($keys) : pick(names($handler));
        match (true) {
            !array_key_exists($name, $session) => $session[$name] = value(3),
            chance(15) => (function () use (&$session, $name) { unset($session[$name]); })(),
            chance(15) => $session[$name] = value(3),
            default => change_value($session[$name], 3),
        };
    }
    if (chance(10)) {
        tie($session, $handler);
    }
}

function change_value(mixed &$value, int $depth): void
{
    if (is_int($value) && abs($value) < 1000) {
        $value += mt_rand(1, 9);
    } elseif (is_object($value) && !$value instanceof UnitEnum) {
        $copy = unserialize(serialize($value));
        if ($copy instanceof stdClass) {
            $copy->{'5'} = mt_rand(0, 99);
        } elseif ($copy instanceof Customer) {
            $copy->name .= '+';
        }
        $value = $copy;
    } elseif (!is_array($value) || $depth <= 0) {
        $value = scalar_value();
    } elseif (is_plain_list($value) && chance(70)) {
        change_list($value);
    } else {
        $keys = array_keys($value);
        $key = $keys && chance(70) ? pick($keys) : key_for();
        if (!array_key_exists($key, $value)) {
            $value[$key] = value($depth - 1);
        } elseif (chance(25)) {
            unset($value[$key]);
        } else {
            change_value($value[$key], $depth - 1);
        }
    }
}

function is_plain_list(array $value): bool
{
    if (!array_is_list($value)) {
        return false;
    }
    $texts = array_map(serialize(...), $value);
    return count(array_unique($texts)) === count($texts);
}

function change_list(array &$list): void
{
    for ($i = mt_rand(1, 3); $i > 0; $i--) {
        switch (mt_rand(0, 5)) {
            case 0:
                array_shift($list);
                break;
            case 1:
                array_pop($list);
                break;
            case 2:
                array_splice($list, mt_rand(0, count($list)), 0, [new_element()]);
                break;
            case 3:
                $at = mt_rand(0, max(0, count($list) - 1));
                if (isset($list[$at])) {
                    is_array($list[$at]) ? $list[$at]['qty'] = mt_rand(2, 99) : $list[$at] = new_element();
                }
                break;
            default:
                $list[] = chance(20) && !in_array('both', $list, true) ? 'both' : new_element();
        }
    }
}

// ---------------------------------------------------------------- merging, the slow way

final class Gone {}

final class Merge
{
    public array $conflicts = [];
    /** A list with equal elements was merged: there is more than one way from one version to the other. */
    public bool $ambiguous = false;
    private Gone $gone;

    public function __construct(private array $rules, private string $winner)
    {
        $this->gone = new Gone();
    }

    public function session(array $base, array $mine, array $theirs): array
    {
        $ties = new Ties();
        foreach ([$theirs, $mine, $base] as $side => $session) {
            $ties->add($side, $session);
        }
        $out = [];
        $sides = [];
        foreach ($this->keys($mine, $theirs) as $name) {
            $group = $ties->group($name);
            if (count($group) === 1) {
                $merged = $this->value([$name], $this->at($base, $name), $this->at($mine, $name), $this->at($theirs, $name));
                if ($merged !== $this->gone) {
                    $out[$name] = $merged;
                }
                continue;
            }
            $id = serialize($group[0]);
            $sides[$id] ??= $this->group($group, $base, $mine, $theirs);
            [$side, $removals] = $sides[$id];
            $from = $side === 'mine' ? $mine : $theirs;
            $other = $side === 'mine' ? $theirs : $mine;
            $removed = $removals && array_key_exists($name, $base) && !array_key_exists($name, $other);
            if (array_key_exists($name, $from) && !$removed) {
                if (ReflectionReference::fromArrayElement($from, $name)) {
                    $out[$name] = &$from[$name];
                } else {
                    $out[$name] = $from[$name];
                }
            }
            unset($from, $other);
        }
        return $out;
    }

    private function group(array $names, array $base, array $mine, array $theirs): array
    {
        // Serialized together, and compared in an order that does not depend on the session's.
        $whole = function (array $session) use ($names): array {
            $texts = [];
            foreach ($names as $name) {
                $texts[] = array_key_exists($name, $session) ? Ties::normal($session, $name) : null;
            }
            return $texts;
        };
        [$b, $m, $t] = [$whole($base), $whole($mine), $whole($theirs)];
        if ($b === $m) {
            return ['theirs', false];
        }
        if ($b === $t) {
            return ['mine', false];
        }
        $side = null;
        foreach ($names as $i => $name) {
            if ($m[$i] === $t[$i]) {
                continue;
            }
            $removed = $b[$i] !== null && ($m[$i] === null || $t[$i] === null);
            $wins = $this->conflict([$name], $removed ? 'removed' : 'changed');
            $side ??= $wins;
        }
        return [$side ?? 'mine', $this->winner === 'later'];
    }

    private function at(array $from, int|string $key): mixed
    {
        return array_key_exists($key, $from) ? $from[$key] : $this->gone;
    }

    private function keys(array $mine, array $theirs): array
    {
        return array_keys($theirs + $mine);
    }

    private function equal(mixed $a, mixed $b): bool
    {
        if ($a instanceof Gone || $b instanceof Gone) {
            return $a === $b;
        }
        return serialize($a) === serialize($b);
    }

    private function value(array $path, mixed $b, mixed $m, mixed $t): mixed
    {
        if ($this->equal($b, $m)) {
            return $t;
        }
        if ($this->equal($b, $t)) {
            return $m;
        }
        if ($m instanceof Gone && $t instanceof Gone) {
            return $m;
        }
        if ($m instanceof Gone || $t instanceof Gone) {
            $this->conflict($path, 'removed');
            return $m instanceof Gone ? ($this->winner === 'theirs' ? $t : $m) : ($this->winner === 'mine' ? $m : $t);
        }
        $rule = $this->rules[$path[0]] ?? null;
        $number = fn ($x) => is_int($x) || is_float($x);
        if ($rule === 'sum' && $number($m) && $number($t)) {
            $start = $number($b) ? $b : 0;
            if (is_int($m) && is_int($t) && is_int($start)) {
                $change = gmp_int($m, $start, $t);
                if ($change !== null) {
                    return $change;
                }
            }
            return (float) $t + ((float) $m - (float) $start);
        }
        if ($rule === 'max' && ($number($m) && $number($t) || is_string($m) && is_string($t))) {
            return (is_string($m) ? strcmp($m, $t) >= 0 : $m >= $t) ? $m : $t;
        }
        $open = is_array($m) && is_array($t) && Ties::open($m) && Ties::open($t) && (!is_array($b) || Ties::open($b));
        $equal = $this->equal($m, $t);
        if ($open && array_is_list($m) && array_is_list($t) && (is_array($b) ? array_is_list($b) : !$equal)) {
            $from = is_array($b) ? $b : [];
            return $rule === 'union' ? $this->union($from, $m, $t) : $this->lists($path, $from, $m, $t);
        }
        if ($equal && !($open && is_array($b))) {
            return $t;
        }
        if (!$open) {
            return $this->conflict($path, 'changed') === 'mine' ? $m : $t;
        }
        $out = [];
        foreach ($this->keys($m, $t) as $key) {
            $merged = $this->value([...$path, $key], is_array($b) ? $this->at($b, $key) : $this->gone, $this->at($m, $key), $this->at($t, $key));
            if ($merged !== $this->gone) {
                $out[$key] = $merged;
            }
        }
        return $out;
    }

    private function union(array $b, array $m, array $t): array
    {
        $texts = fn (array $list) => array_map(serialize(...), $list);
        [$bt, $mt, $tt] = [$texts($b), $texts($m), $texts($t)];
        $all = [];
        foreach ([[$t, $mt], [$m, $tt]] as [$list, $other]) {
            foreach ($list as $element) {
                $text = serialize($element);
                if (!isset($all[$text]) && !(in_array($text, $bt, true) && !in_array($text, $other, true))) {
                    $all[$text] = $element;
                }
            }
        }
        return array_values($all);
    }

    /** What became of each element of the base, and what came before each: elements of a list differ from one another. */
    private function way(array $b, array $x): array
    {
        $texts = array_map(serialize(...), $x);
        $fates = $added = [];
        $new = $gone = [];
        $flush = function (int $before) use (&$fates, &$added, &$new, &$gone, $x) {
            foreach ($gone as $at) {
                $fates[$at] = $new ? ['changed', $x[array_shift($new)]] : ['removed', null];
            }
            $added[$before] = array_map(fn ($i) => $x[$i], $new);
            $new = $gone = [];
        };
        $next = 0;
        foreach ($b as $at => $element) {
            $place = array_search(serialize($element), $texts, true);
            if ($place === false) {
                $gone[] = $at;
                $added[$at] ??= [];
                continue;
            }
            $new = range_of($next, $place);
            $flush($at);
            $fates[$at] = ['kept', $element];
            $next = $place + 1;
        }
        $new = range_of($next, count($x));
        $flush(count($b));
        return [$fates, $added];
    }

    private function lists(array $path, array $b, array $m, array $t): array
    {
        foreach ([$b, $m, $t] as $list) {
            $texts = array_map(serialize(...), $list);
            $this->ambiguous = $this->ambiguous || count(array_unique($texts)) < count($texts);
        }
        [$mine, $my_added] = $this->way($b, $m);
        [$theirs, $their_added] = $this->way($b, $t);
        $out = [];
        for ($at = 0; $at <= count($b); $at++) {
            $alike = $at > 0 && $mine[$at - 1][0] === 'changed' && $theirs[$at - 1][0] === 'changed'
                && serialize($my_added[$at]) === serialize($their_added[$at]);
            array_push($out, ...$their_added[$at], ...($alike ? [] : $my_added[$at]));
            if ($at === count($b)) {
                break;
            }
            [$my, $their] = [$mine[$at], $theirs[$at]];
            $merged = match (true) {
                $my[0] === 'changed' && $their[0] === 'removed' && !(is_array($my[1]) && is_array($b[$at])) => $my[1],
                $their[0] === 'changed' && $my[0] === 'removed' && !(is_array($their[1]) && is_array($b[$at])) => $their[1],
                default => $this->value(
                    [...$path, $at],
                    $b[$at],
                    $my[0] === 'removed' ? $this->gone : $my[1],
                    $their[0] === 'removed' ? $this->gone : $their[1]
                ),
            };
            if ($merged !== $this->gone) {
                $out[] = $merged;
            }
        }
        return $out;
    }

    private function conflict(array $path, string $cause): string
    {
        $this->conflicts[$path[0] . '/' . (count($path) > 1 ? 'below' : 'itself') . '/' . $cause] = true;
        if ($this->winner !== 'later') {
            return $this->winner;
        }
        return ($this->rules[$path[0]] ?? '') === 'first' ? 'theirs' : 'mine';
    }
}

function range_of(int $from, int $to): array { return $from < $to ? range($from, $to - 1) : []; }

/** $t + $m - $b if that is an integer of 64 bits. */
function gmp_int(int $m, int $b, int $t): ?int
{
    // In halves, so that nothing overflows on the way.
    $low = ($m & 0xffffffff) - ($b & 0xffffffff) + ($t & 0xffffffff);
    $high = ($m >> 32) - ($b >> 32) + ($t >> 32) + ($low >> 32);
    return $high >= -(1 << 31) && $high < (1 << 31) ? ($high << 32) | ($low & 0xffffffff) : null;
}

/** Who shares references and objects with whom. */
final class Ties
{
    private array $parent = [];
    private array $seen = [];
    private array $order = [];

    public function add(int $side, array $session): void
    {
        foreach ($session as $name => $_) {
            $this->order[$name] ??= count($this->order);
            $this->parent[$name] ??= $name;
            foreach (self::ids($session, $name) as $id => $_) {
                $first = $this->seen["$side $id"] ??= $name;
                $this->parent[$this->root($name)] = $this->root($first);
            }
        }
    }

    private function root(int|string $name): int|string
    {
        while ($this->parent[$name] !== $name) {
            $name = $this->parent[$name];
        }
        return $name;
    }

    /** The names tied to this one, itself included, in the order in which they came. */
    public function group(int|string $name): array
    {
        $root = $this->root($name);
        $names = array_values(array_filter(array_keys($this->parent), fn ($other) => $this->root($other) === $root));
        usort($names, fn ($a, $b) => $this->order[$a] <=> $this->order[$b]);
        return $names;
    }

    /** Whether no two elements share anything. */
    public static function open(array $array): bool
    {
        $seen = [];
        foreach ($array as $key => $_) {
            $ids = self::ids($array, $key);
            if (array_intersect_key($ids, $seen)) {
                return false;
            }
            $seen += $ids;
        }
        return true;
    }

    private static function ids(array $array, int|string $key, array &$ids = []): array
    {
        $reference = ReflectionReference::fromArrayElement($array, $key);
        if ($reference) {
            $id = 'ref ' . bin2hex($reference->getId());
            if (isset($ids[$id])) {
                return $ids;
            }
            $ids[$id] = true;
        }
        $value = $array[$key];
        if (is_object($value)) {
            $id = 'object ' . spl_object_id($value);
            if (isset($ids[$id])) {
                return $ids;
            }
            $ids[$id] = true;
            $value = $value instanceof UnitEnum ? [] : (array) $value;
        }
        if (is_array($value)) {
            foreach ($value as $inner => $_) {
                self::ids($value, $inner, $ids);
            }
        }
        return $ids;
    }

    /** One variable's text, with references as owner and offset. */
    public static function normal(array $session, int|string $name): string
    {
        // What comes first owns what is shared; numbers are made comparable by telling whose they are.
        $text = serialize($session);
        $numbers = [];
        $next = 2;
        foreach ($session as $key => $_) {
            $numbers[] = [$next, $key];
            $part = [];
            foreach ($session as $other => $_) {
                if (ReflectionReference::fromArrayElement($session, $other)) {
                    $part[$other] = &$session[$other];
                } else {
                    $part[$other] = $session[$other];
                }
                if ($other === $key) {
                    break;
                }
            }
            $before = $after ?? 1;
            $after = self::count_numbers(serialize($part));
            $texts[$key] = [$next, serialize($part)];
            $next = $after + 1;
            unset($part);
        }
        $own = $texts[$name][1];
        $previous = '';
        foreach ($texts as $key => [$_, $t]) {
            if ($key === $name) {
                break;
            }
            $previous = $t;
        }
        $body = $previous === '' ? preg_replace('/^a:\d+:\{/', '', $own) : substr(preg_replace('/^a:\d+:\{/', '', $own), strlen(preg_replace('/^a:\d+:\{/', '', $previous)) - 1);
        return self::rewrite($body, function (int $target) use ($numbers) {
            $owner = null;
            foreach ($numbers as [$first, $key]) {
                if ($first <= $target) {
                    $owner = [$key, $target - $first];
                }
            }
            return serialize($owner);
        });
    }

    private static function count_numbers(string $text): int
    {
        return self::walk($text, fn ($target) => '')[0];
    }

    private static function rewrite(string $text, callable $name): string
    {
        return self::walk($text, $name)[1];
    }

    /** Goes through serialized text token by token; keys are told from values by counting inside of braces. */
    private static function walk(string $text, callable $name): array
    {
        $count = 0;
        $out = '';
        $keys = [];
        $key = $text[0] !== 'a' || !preg_match('/^a:\d+:\{/', $text);
        $at = 0;
        while ($at < strlen($text)) {
            if ($text[$at] === '}') {
                $out .= '}';
                $at++;
                $key = array_pop($keys) ?? true;
                continue;
            }
            preg_match('/\G(?:N;|[bid]:[^;]*;|s:(\d+):"|E:(\d+):"|a:\d+:\{|O:\d+:"[^"]*":\d+:\{|([rR]):(\d+);)/s', $text, $m, 0, $at);
            $token = $m[0];
            $at += strlen($token);
            if (($token[0] === 's' || $token[0] === 'E')) {
                $length = (int) ($m[1] !== '' ? $m[1] : $m[2]) + 2;
                $token .= substr($text, $at, $length);
                $at += $length;
            }
            if (!$key && $token[0] !== 'R') {
                $count++;
            }
            if ($token[0] === 'r' || $token[0] === 'R') {
                $token = $token[0] . $name((int) $m[4]);
            }
            $out .= $token;
            if (str_ends_with($token, '{') && ($token[0] === 'a' || $token[0] === 'O')) {
                $keys[] = true;
                $key = true;
            } else {
                $key = !$key;
            }
        }
        return [$count, $out];
    }
}

// ---------------------------------------------------------------- requests

function read_fields(): ?array
{
    $head = fread(STDIN, 4);
    if ($head === '' || $head === false) {
        return null;
    }
    $fields = [];
    for ($n = unpack('N', $head)[1]; $n > 0; $n--) {
        $length = unpack('N', fread(STDIN, 4))[1];
        $field = '';
        while (strlen($field) < $length) {
            $field .= fread(STDIN, $length - strlen($field));
        }
        $fields[] = $field;
    }
    return $fields;
}

function answer(string ...$fields): void
{
    $out = pack('N', count($fields));
    foreach ($fields as $field) {
        $out .= pack('N', strlen($field)) . $field;
    }
    fwrite(STDOUT, $out);
    fflush(STDOUT);
}

function copy_of(array $session): array { return unserialize(serialize($session)); }

session_set_save_handler(new Nowhere(), false);
$triple = null;
while (($request = read_fields()) !== null) {
    switch ($request[0]) {
        case 'make': // seed, handler → payload, its variables
            mt_srand((int) $request[1]);
            ini_set('serialize_precision', chance(20) ? '17' : '-1');
            $session = session($request[2]);
            answer(encode($request[2], $session), (string) count($session));
            ini_set('serialize_precision', '-1');
            break;
        case 'read': // handler, payload → "ok" and canonical text, or "no"
            $session = decode($request[1], $request[2]);
            $session === null ? answer('no', '') : answer('ok', serialize($session));
            break;
        case 'triple': // seed, handler → base, mine, theirs, rules, winner
            mt_srand((int) $request[1]);
            $handler = $request[2];
            $base = copy_of(session($handler));
            [$mine, $theirs] = [copy_of($base), copy_of($base)];
            change($mine, $handler);
            change($theirs, $handler);
            $rules = [];
            foreach (['v0', 'v1', 'v2', 'user'] as $name) {
                if (chance(40)) {
                    $rules[$name] = pick(['sum', 'max', 'first', 'union', 'last']);
                }
            }
            $winner = pick(['later', 'later', 'mine', 'theirs']);
            $payloads = [encode($handler, $base), encode($handler, $mine), encode($handler, $theirs)];
            // As each side will be read, so that what serialization itself changes does not count.
            $triple = [...array_map(fn ($payload) => decode($handler, $payload), $payloads), $rules, $winner, $handler, $payloads];
            $text = implode(',', array_map(fn ($name, $rule) => "$name=$rule", array_keys($rules), $rules));
            answer(...[...$payloads, $text, $winner]);
            break;
        case 'check': // merged payload, conflicts → what differs, or "?" where that can't be said
            [$base, $mine, $theirs, $rules, $winner, $handler, $payloads] = $triple;
            $merge = new Merge($rules, $winner);
            $expected = match ($payloads[0]) {
                $payloads[1] => $theirs,
                $payloads[2] => $mine,
                default => $merge->session($base, $mine, $theirs),
            };
            unset($triple, $base, $mine, $theirs);
            $found = decode($handler, $request[1]);
            $conflicts = array_keys($merge->conflicts);
            sort($conflicts, SORT_STRING);
            $problem = '';
            if ($found === null) {
                $problem = 'PHP can not read it';
            } elseif (serialize($found) !== serialize($expected)) {
                $problem = "expected:\n" . serialize($expected) . "\nfound:\n" . serialize($found);
            } elseif (implode("\n", $conflicts) !== $request[2]) {
                $problem = "expected conflicts:\n" . implode("\n", $conflicts) . "\nfound:\n" . $request[2];
            }
            // Readable, but not as expected, where more than one result is right.
            answer($problem !== '' && $found !== null && $merge->ambiguous ? '?' : $problem);
            break;
    }
}
