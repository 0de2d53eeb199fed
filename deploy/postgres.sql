-- The logins of a hub, run once by the image of PostgreSQL when the database is new. Neither is a
-- superuser: `chairside_owner` may only create roles and work in this database, for
-- `chairside migrate`; `chairside` gets no rights but those that the migration grants it.
\getenv password CHAIRSIDE_PASSWORD
\getenv owner_password CHAIRSIDE_OWNER_PASSWORD
CREATE ROLE chairside LOGIN NOINHERIT NOSUPERUSER PASSWORD :'password';
CREATE ROLE chairside_owner LOGIN CREATEROLE NOSUPERUSER PASSWORD :'owner_password';
SELECT format('GRANT CREATE ON DATABASE %I TO chairside_owner', current_database()) \gexec
GRANT CREATE ON SCHEMA public TO chairside_owner WITH GRANT OPTION;
GRANT USAGE ON SCHEMA public TO chairside_owner WITH GRANT OPTION;
