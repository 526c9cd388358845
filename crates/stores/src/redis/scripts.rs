//! The scripts: what must be looked at and changed in one step. Each is small, since the server reads nothing else
//! meanwhile, and the records stay strings whose fixed fields a script finds at `wire`'s offsets.
//!
//! Numbers in Lua are doubles, so what decides is compared as bytes or in halves of 32 bits.

use cloakroom::wire;

use super::resp::Request;

// The numbers in the scripts below.
const _: () = assert!(
    wire::VERSION_AT == 4
        && wire::STATE_AT == 20
        && wire::CREATED_AT == 30
        && wire::TOUCHED_AT == 38
        && wire::ABSOLUTE_AT == 54
        && wire::FORMAT_AT == 62
        && wire::LENGTHS_AT == 67
        && wire::HEADER == 72
);

/// A script and the name under which the server caches it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Script {
    pub(super) text: &'static str,
    /// SHA-1 of the text; a test against a server compares the two.
    pub(super) name: &'static str,
}

impl Script {
    /// Adds a call, of the cached script or of its whole text, to a request.
    pub(super) fn add_to(&self, request: &mut Request, whole: bool, keys: &[&[u8]], arguments: &[&[u8]]) {
        let (command, script): (&[u8], &str) = if whole { (b"EVAL", self.text) } else { (b"EVALSHA", self.name) };
        // No call has ten keys.
        let count = [b'0' + (keys.len() % 10) as u8];
        let head = [command, script.as_bytes(), &count];
        let words = head.iter().copied().chain(keys.iter().copied()).chain(arguments.iter().copied());
        request.add(3 + keys.len() + arguments.len(), words);
    }
}

/// Record · expected version, record, deadline. 1 done, 0 another version.
pub(super) const SWAP: Script = Script {
    text: "if redis.call('GETRANGE',KEYS[1],4,19)~=ARGV[1] then return 0 end
redis.call('SET',KEYS[1],ARGV[2],'PXAT',ARGV[3])
return 1",
    name: "d1383e5b27655aea8a799c627af740d43810733f",
};

/// Record, owner's tombstone, owner's sessions · expected version (none: no record), record, deadline, key, seen, before
/// which dead sessions are forgotten. 1 done, 0 another version, 2 owner ended.
/// The index is written before the record, so that no record of an owner is ever missing from it. A full server refuses
/// a script at its first write or not at all, so that one must be a write that needs memory.
pub(super) const SWAP_OWNED: Script = Script {
    text: "if redis.call('GETRANGE',KEYS[1],4,19)~=ARGV[1] then return 0 end
local t=redis.call('GET',KEYS[2])
if t then
local at,spared=string.match(t,'^(%d+) (.*)$')
if tonumber(ARGV[5])<=tonumber(at) and spared~=ARGV[4] then return 2 end
end
local s=KEYS[3]
redis.call('ZADD',s,ARGV[3],ARGV[4])
redis.call('ZREMRANGEBYSCORE',s,'-inf',ARGV[6])
local last=redis.call('ZRANGE',s,-1,-1,'WITHSCORES')[2]
if last then redis.call('PEXPIREAT',s,last) end
redis.call('SET',KEYS[1],ARGV[2],'PXAT',ARGV[3])
return 1",
    name: "6b8e206569978ad2fc6e5075ddae1ae6923f72d1",
};

/// The same for large records, which are laid down beside by a plain command before: bytes that pass through Lua cost the
/// server ten times as much. Record, what was laid down, and, where there is an owner, tombstone and sessions · expected
/// version, deadline, key, seen, before which dead sessions are forgotten. Answers as `SWAP_OWNED`.
pub(super) const SWAP_LARGE: Script = Script {
    text: "local function no(n)
redis.call('DEL',KEYS[2])
return n
end
if redis.call('GETRANGE',KEYS[1],4,19)~=ARGV[1] then return no(0) end
local s=KEYS[4]
if s then
local t=redis.call('GET',KEYS[3])
if t then
local at,spared=string.match(t,'^(%d+) (.*)$')
if tonumber(ARGV[4])<=tonumber(at) and spared~=ARGV[3] then return no(2) end
end
redis.call('ZADD',s,ARGV[2],ARGV[3])
redis.call('ZREMRANGEBYSCORE',s,'-inf',ARGV[5])
local last=redis.call('ZRANGE',s,-1,-1,'WITHSCORES')[2]
if last then redis.call('PEXPIREAT',s,last) end
end
redis.call('RENAME',KEYS[2],KEYS[1])
redis.call('PEXPIREAT',KEYS[1],ARGV[2])
return 1",
    name: "2a213e57b8aa2752c4e0e7aeaf2655d8055f1bda",
};

/// Record · expected version and a zero for live, touched, idle deadline, the same in digits, what the names of owners'
/// keys begin with, key. 1 done, 0 another version or not live, -1 damaged.
/// The owner is known to the record alone, so the name of its index is made here.
pub(super) const TOUCH: Script = Script {
    text: "local k=KEYS[1]
local r=redis.call('GETRANGE',k,4,262)
if string.sub(r,1,17)~=ARGV[1] then return 0 end
if #r<68 then return -1 end
local h,l=struct.unpack('>I4I4',r,43)
local nh,nl=struct.unpack('>I4I4',ARGV[3])
if nh<h or (nh==h and nl<=l) then
redis.call('SETRANGE',k,38,ARGV[2])
return 1
end
local e,a=ARGV[4],struct.unpack('>I8',r,51)
if a>0 and a<tonumber(e) then e=string.format('%.0f',a) end
local n=string.byte(r,64)
if n>0 then
local s=ARGV[5]..string.sub(r,69,68+n)..'}:sessions'
redis.call('ZADD',s,e,ARGV[6])
redis.call('PEXPIREAT',s,redis.call('ZRANGE',s,-1,-1,'WITHSCORES')[2])
end
redis.call('SETRANGE',k,38,ARGV[2]..ARGV[3])
redis.call('PEXPIREAT',k,e)
return 1",
    name: "eca841935e6dc118f58ea0a44724773e4dc7d4ac",
};

/// Record · first and middle part of the tombstone, its deadline, the tombstone of nothing, and, where only an owner's
/// record is meant, that owner. 0 nothing was there, 1 ended already, 2 was live, 3 was moved, 4 is not the owner's.
pub(super) const END: Script = Script {
    text: "local k=KEYS[1]
local r=redis.call('GETRANGE',k,0,71)
if #r<72 or string.sub(r,1,4)~=string.sub(ARGV[1],1,4) then
if ARGV[5] then return 4 end
redis.call('SET',k,ARGV[4],'PXAT',ARGV[3])
return 0
end
local o=string.byte(r,68)
local about=redis.call('GETRANGE',k,72,71+o+struct.unpack('>I4',r,69))
if ARGV[5] and string.sub(about,1,o)~=ARGV[5] then return 4 end
local state=string.byte(r,21)
if state==2 then return 1 end
redis.call('SET',k,ARGV[1]..string.sub(r,31,38)..ARGV[2]..string.sub(r,68)..about,'PXAT',ARGV[3])
return state==0 and 2 or 3",
    name: "f938c1e1eee593910be0640ab39095cecd7c54dd",
};

/// Record · expected version. 1 removed, 0 not.
pub(super) const REMOVE: Script = Script {
    text: "if redis.call('GETRANGE',KEYS[1],4,19)~=ARGV[1] then return 0 end
return redis.call('DEL',KEYS[1])",
    name: "f718c3ad4b22235a1798a7dbd8160a67fd5cc19a",
};

/// Lease · token, token that may be displaced, token and holder, milliseconds. Whether it was taken, and the lease.
pub(super) const TAKE: Script = Script {
    text: "local v=redis.call('GET',KEYS[1])
if v then
local t=string.sub(v,1,8)
if t~=ARGV[1] and t~=ARGV[2] then return {0,v} end
end
local t=redis.call('TIME')
local now=t[1]*1000+math.floor(t[2]/1000)
v=ARGV[3]..struct.pack('>I8I8',now,now+ARGV[4])
redis.call('SET',KEYS[1],v,'PX',ARGV[4])
return {1,v}",
    name: "b8d0d60c644626570b2abd4ea689fb2ee33fd722",
};

/// Lease · token. 1 given back, 0 not held with it.
pub(super) const RELEASE: Script = Script {
    text: "if string.sub(redis.call('GET',KEYS[1]) or '',1,8)~=ARGV[1] then return 0 end
return redis.call('DEL',KEYS[1])",
    name: "68dde7e4baf79fb2ed72e9feafd34b90f9b1e9ab",
};

/// List of reports, report · its name in the list, hour, milliseconds it is kept, labels at most, then label, count, sum
/// and sample of each. In the report a label has a field for each, told apart by the first byte.
pub(super) const REPORT: Script = Script {
    text: "local k=KEYS[2]
local function add(f,by)
local r=redis.pcall('HINCRBY',k,f,by)
if type(r)=='table' then redis.call('HSET',k,f,'9223372036854775807') end
end
for i=5,#ARGV,4 do
local l=ARGV[i]
if redis.call('HEXISTS',k,'c'..l)==1 or redis.call('HLEN',k)<3*ARGV[4] then
add('c'..l,ARGV[i+1])
add('s'..l,ARGV[i+2])
redis.call('HSET',k,'t'..l,ARGV[i+3])
end
end
redis.call('PEXPIRE',k,ARGV[3])
redis.call('ZADD',KEYS[1],ARGV[2],ARGV[1])
redis.call('PEXPIRE',KEYS[1],ARGV[3])
return 1",
    name: "2f4703684e3934757c6d31906ff40c9f9ec314bf",
};

/// List of reports · first hour that is kept, how many may go, what the names of reports begin with. How many went.
pub(super) const SWEEP: Script = Script {
    text: "local old=redis.call('ZRANGEBYSCORE',KEYS[1],'-inf','('..ARGV[1],'LIMIT',0,ARGV[2])
for _,name in ipairs(old) do
redis.call('DEL',ARGV[3]..name)
redis.call('ZREM',KEYS[1],name)
end
return #old",
    name: "13f6a544e27aa04a1be4e6c868823c916edde9e7",
};

/// All of them.
#[cfg(test)]
pub(super) const ALL: [Script; 10] = [SWAP, SWAP_OWNED, SWAP_LARGE, TOUCH, END, REMOVE, TAKE, RELEASE, REPORT, SWEEP];

#[cfg(test)]
mod tests {
    use cloakroom_testbed::Redis;

    use super::*;

    /// A wrong name would go unnoticed elsewhere: the server would be handed the whole text each time.
    #[test]
    fn the_server_caches_each_script_under_its_name() {
        let redis = Redis::start().expect("redis-server starts");
        for script in ALL {
            let reply = redis.command(&["SCRIPT", "LOAD", script.text]).expect("redis-server answers");
            assert_eq!(reply, format!("$40\r\n{}\r\n", script.name), "of {}", script.text);
        }
    }
}
