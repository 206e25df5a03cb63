/** A sentence about each command, for COMMAND DOCS: what it does, and since which version of Redis there is such a command. */
import type { CommandRow } from './types.ts';

export interface CommandDoc {
  summary: string;
  since: string;
  group: string;
}

/** Lines of `name since summary`, by group. */
const DOCS: Readonly<Record<string, string>> = {
  string: `
append 2.0.0 Appends to a string, which is made when absent.
decr 1.0.0 Takes one from a number.
decrby 1.0.0 Takes an amount from a number.
get 1.0.0 Returns a string.
getdel 6.2.0 Returns a string and deletes its key.
getex 6.2.0 Returns a string and changes when it expires.
getrange 2.4.0 Returns a part of a string.
getset 1.0.0 Sets a string and returns what it was.
incr 1.0.0 Adds one to a number.
incrby 1.0.0 Adds an amount to a number.
incrbyfloat 2.6.0 Adds a fraction to a number.
lcs 7.0.0 Finds the longest common subsequence of two strings.
mget 1.0.0 Returns several strings.
mset 1.0.1 Sets several strings.
msetnx 1.0.1 Sets several strings when none of their keys is there.
psetex 2.6.0 Sets a string that expires, in milliseconds.
set 1.0.0 Sets a string, with conditions and expiry.
setex 2.0.0 Sets a string that expires, in seconds.
setnx 1.0.0 Sets a string when its key is absent.
setrange 2.2.0 Overwrites a part of a string.
strlen 2.2.0 Returns the length of a string.
substr 1.0.0 Returns a part of a string; GETRANGE by its old name.`,
  generic: `
copy 6.2.0 Copies a value to another key.
del 1.0.0 Deletes keys.
exists 1.0.0 Counts those of the keys that are there.
expire 1.0.0 Sets when a key expires, in seconds from now.
expireat 1.2.0 Sets when a key expires, as a Unix time in seconds.
expiretime 7.0.0 Returns when a key expires, as a Unix time in seconds.
keys 1.0.0 Returns the keys that match a pattern.
object 2.2.3 Looks into how a value is kept.
object|encoding 2.2.3 Returns how a value is encoded.
object|freq 4.0.0 Returns how often a key was accessed, on a logarithmic scale.
object|help 6.2.0 Lists the subcommands.
object|idletime 2.2.3 Returns the seconds since a key was last accessed.
object|refcount 2.2.3 Returns how many references there are to a value.
persist 2.2.0 Lets a key expire no more.
pexpire 2.6.0 Sets when a key expires, in milliseconds from now.
pexpireat 2.6.0 Sets when a key expires, as a Unix time in milliseconds.
pexpiretime 7.0.0 Returns when a key expires, as a Unix time in milliseconds.
pttl 2.6.0 Returns the milliseconds that a key still has.
randomkey 1.0.0 Returns a key picked at random.
rename 1.0.0 Renames a key, replacing what has the new name.
renamenx 1.0.0 Renames a key when the new name is free.
scan 2.8.0 Goes through the keys bit by bit.
touch 3.2.1 Counts those of the keys that are there, and marks them as accessed.
ttl 1.0.0 Returns the seconds that a key still has.
type 1.0.0 Returns the type of a value.
unlink 4.0.0 Deletes keys, and frees their memory later.
wait 3.0.0 Waits until so many replicas hold the last write of this connection.`,
  hash: `
hdel 2.0.0 Deletes fields of a hash.
hexists 2.0.0 Tells whether a hash has a field.
hget 2.0.0 Returns a field of a hash.
hgetall 2.0.0 Returns all fields of a hash with their values.
hincrby 2.0.0 Adds an amount to a field of a hash.
hincrbyfloat 2.6.0 Adds a fraction to a field of a hash.
hkeys 2.0.0 Returns the names of the fields of a hash.
hlen 2.0.0 Returns how many fields a hash has.
hmget 2.0.0 Returns several fields of a hash.
hmset 2.0.0 Sets several fields of a hash; HSET by its old name.
hrandfield 6.2.0 Returns fields of a hash picked at random.
hscan 2.8.0 Goes through the fields of a hash bit by bit.
hset 2.0.0 Sets fields of a hash.
hsetnx 2.0.0 Sets a field of a hash when it is absent.
hstrlen 3.2.0 Returns the length of a field of a hash.
hvals 2.0.0 Returns the values of the fields of a hash.`,
  connection: `
auth 1.0.0 Authenticates the connection.
client 2.4.0 Looks at connections and changes them.
client|caching 6.0.0 Tells which keys of the next command to track; tracking is not offered yet.
client|getname 2.6.9 Returns the name of the connection.
client|getredir 6.0.0 Returns which connection gets the invalidations.
client|help 5.0.0 Lists the subcommands.
client|id 5.0.0 Returns the number of the connection.
client|info 6.2.0 Returns what is known of the connection.
client|kill 2.4.0 Closes connections.
client|list 2.4.0 Returns what is known of all connections of the node.
client|no-evict 7.0.0 Keeps the connection when memory for clients runs out.
client|no-touch 7.2.0 Leaves the access times of keys alone.
client|pause 2.9.50 Holds the commands of all clients; not offered.
client|reply 3.2.0 Switches replies on or off.
client|setinfo 7.2.0 Tells the client library and its version.
client|setname 2.6.9 Names the connection.
client|tracking 6.0.0 Switches client-side caching; not offered yet.
client|trackinginfo 6.2.0 Returns how the connection tracks keys.
client|unblock 5.0.0 Ends the WAIT of another connection.
client|unpause 6.2.0 Lets held commands go on.
echo 1.0.0 Returns its argument.
hello 6.0.0 Chooses the protocol, authenticates and names the connection in one.
ping 1.0.0 Answers.
quit 1.0.0 Closes the connection.
reset 6.2.0 Makes the connection as new.
select 1.0.0 Chooses the database.`,
  server: `
acl 6.0.0 Looks at users and categories.
acl|cat 6.0.0 Returns the categories of commands, or the commands of one.
acl|getuser 6.0.0 Returns what a user may do.
acl|help 6.0.0 Lists the subcommands.
acl|list 6.0.0 Returns the users as lines of a configuration.
acl|users 6.0.0 Returns the names of the users.
acl|whoami 6.0.0 Returns the user of the connection.
command 2.8.13 Returns arity, flags and keys of all commands.
command|count 2.8.13 Returns how many commands there are.
command|docs 7.0.0 Returns a sentence about each command.
command|getkeys 2.8.13 Returns the keys of a whole command.
command|getkeysandflags 7.0.0 Returns the keys of a whole command and what is done with them.
command|help 5.0.0 Lists the subcommands.
command|info 2.8.13 Returns arity, flags and keys of commands.
command|list 7.0.0 Returns the names of commands.
config 2.0.0 Looks at settings and changes them.
config|get 2.0.0 Returns settings by patterns.
config|help 5.0.0 Lists the subcommands.
config|resetstat 2.0.0 Starts the counters of INFO anew.
config|rewrite 2.8.0 Writes the settings to a file; not offered.
config|set 2.0.0 Changes settings of the node.
dbsize 1.0.0 Returns how many keys the database has.
flushall 1.0.0 Deletes all keys of all databases.
flushdb 1.0.0 Deletes all keys of the database.
info 1.0.0 Returns what the node counts and measures.
lastsave 1.0.0 Returns when the last snapshot was finished.
latency 2.8.13 Looks at what makes commands slow.
latency|doctor 2.8.13 Returns where to look for what makes commands slow.
latency|graph 2.8.13 Draws the samples of an event; there are none.
latency|help 2.8.13 Lists the subcommands.
latency|history 2.8.13 Returns the samples of an event; there are none.
latency|latest 2.8.13 Returns the newest samples; there are none.
latency|reset 2.8.13 Forgets the samples of events.
lolwut 5.0.0 Draws.
memory 4.0.0 Looks at memory.
memory|doctor 4.0.0 Returns what may be wrong with memory.
memory|help 4.0.0 Lists the subcommands.
memory|malloc-stats 4.0.0 Returns what is known of the slabs.
memory|purge 4.0.0 Gives memory back; free slabs are used again.
memory|stats 4.0.0 Returns where memory goes.
memory|usage 4.0.0 Returns the bytes that a key accounts for.
module 4.0.0 Looks at modules, of which there are none.
module|help 5.0.0 Lists the subcommands.
module|list 4.0.0 Returns the loaded modules.
role 2.8.12 Returns the role of the node, to a client always a master.
sentinel 2.8.4 Tells clients which node to connect to.
sentinel|ckquorum 2.8.4 Tells whether enough nodes are ready.
sentinel|get-master-addr-by-name 2.8.4 Returns the address of a ready node.
sentinel|help 6.2.0 Lists the subcommands.
sentinel|master 2.8.4 Describes a ready node as a master.
sentinel|masters 2.8.4 Describes a ready node as the only master.
sentinel|myid 6.2.0 Returns the id of the node.
sentinel|replicas 5.0.0 Returns no replicas.
sentinel|sentinels 2.8.4 Describes the other ready nodes as sentinels.
sentinel|slaves 2.8.0 Returns no replicas; REPLICAS by its old name.
slowlog 2.2.12 Looks at commands that took long.
slowlog|get 2.2.12 Returns the newest slow commands.
slowlog|help 6.2.0 Lists the subcommands.
slowlog|len 2.2.12 Returns how many slow commands are kept.
slowlog|reset 2.2.12 Forgets the slow commands.
time 2.6.0 Returns the wall clock of the node.`,
  cluster: `
asking 3.0.0 Lets the next command in while its slot moves here.
cluster 3.0.0 Tells which node leads which slots.
cluster|count-failure-reports 3.0.0 Returns 0: nodes do not report each other.
cluster|countkeysinslot 3.0.0 Counts the keys of a slot that the node leads.
cluster|getkeysinslot 3.0.0 Returns keys of a slot that the node leads.
cluster|help 5.0.0 Lists the subcommands.
cluster|info 3.0.0 Returns the state of the cluster.
cluster|keyslot 3.0.0 Returns the slot of a key.
cluster|links 7.0.0 Returns the links to the other nodes.
cluster|myid 3.0.0 Returns the id of the node.
cluster|myshardid 7.2.0 Returns the id that groups a node with its replicas: its own.
cluster|nodes 3.0.0 Returns the nodes with their slots, a line each.
cluster|replicas 5.0.0 Returns no replicas: leaders alone serve.
cluster|shards 7.0.0 Returns the nodes with their slots.
cluster|slaves 3.0.0 Returns no replicas; REPLICAS by its old name.
cluster|slots 3.0.0 Returns which node leads which slots.
readonly 3.0.0 Allows reads from replicas; leaders alone serve.
readwrite 3.0.0 Takes READONLY back.`,
  pubsub: `
psubscribe 2.0.0 Listens to the channels that match patterns.
pubsub 2.8.0 Looks at channels and their subscribers.
pubsub|channels 2.8.0 Returns the channels with subscribers.
pubsub|help 6.2.0 Lists the subcommands.
pubsub|numpat 2.8.0 Returns how many patterns are subscribed to.
pubsub|numsub 2.8.0 Returns how many subscribers channels have.
punsubscribe 2.0.0 Stops listening to patterns.
subscribe 2.0.0 Listens to channels.
unsubscribe 2.0.0 Stops listening to channels.`,
};

/** The version told for a command that is missing above. */
const FIRST_VERSION = '1.0.0';

const docs = readDocs();

function readDocs(): ReadonlyMap<string, CommandDoc> {
  const byName = new Map<string, CommandDoc>();
  for (const [group, lines] of Object.entries(DOCS)) {
    for (const line of lines.trim().split('\n')) {
      const [name, since, ...words] = line.split(' ');
      byName.set(name, { summary: words.join(' '), since, group });
    }
  }
  return byName;
}

export function docOf(row: CommandRow): CommandDoc {
  return docs.get(row.name) ?? { summary: '', since: FIRST_VERSION, group: 'generic' };
}
