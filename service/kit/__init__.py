"""The ground every domain stands on: settings, database units, the work engine, clock, ids, money, pages, errors, storage, logs.

Nothing here knows a domain. Import the module you need (`from service.kit import work`); there is no front door to re-export.
"""
