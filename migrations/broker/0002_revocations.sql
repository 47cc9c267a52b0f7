-- The latest list of revoked keys of each authority, as it was signed: a broker that starts again knows what it knew.
create table revocation_lists (
  signer text primary key,
  number bigint not null,
  document text not null,
  received timestamptz not null
);
