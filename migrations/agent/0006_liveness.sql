-- How nodes are: what resource monitors tell of them, and how much of the time they were heard. Beside `nodes`, not in
-- it, so that nothing that is written here waits for, or holds up, what is done in the name of a node.

-- Work that comes round again, of which one of several agents takes each turn: the first that finds it due.
create table turns (
  what text primary key,
  taken timestamptz not null,
  -- The turn before, where there was one.
  before timestamptz
);

-- What became of polls, by monitor ("HOST:PORT").
create table monitors (
  name text primary key,
  answered bigint not null default 0,
  failed bigint not null default 0,
  -- When the last poll that worked ended, and how many hosts it told of; of those, so many are nodes of this agent.
  last_answer timestamptz,
  hosts integer,
  nodes integer,
  -- When the last poll failed, and what it said.
  last_failure timestamptz,
  failure text
);

-- What monitors tell. Nobody vouches for it: it may explain something or make a node look worse, and nothing is freed,
-- refused or allowed by it. Where monitors differ, the highest load that is not old is kept, with the monitor that
-- told it and the turn of that monitor's poll.
create table conditions (
  node key_name primary key references nodes,
  -- When any monitor last heard from the node.
  monitored timestamptz not null,
  monitor text not null,
  polled timestamptz not null,
  load double precision check (load >= 0 and load < 1000000),
  -- When that was.
  measured timestamptz,
  cpus integer check (cpus between 1 and 65535),
  memory_available_mib bigint check (memory_available_mib >= 0),
  booted timestamptz,
  -- When the node manager last gave a sign of life to the node's own monitor.
  manager timestamptz,
  check ((load is null) = (measured is null))
) with (fillfactor = 50); -- room for changed rows beside the old ones

-- How much of the time a node was heard: seconds, of which those of a day ago count half.
create table liveness (
  node key_name primary key references nodes,
  heard double precision not null,
  -- All seconds in which an agent would have heard it.
  watched double precision not null
) with (fillfactor = 50);
