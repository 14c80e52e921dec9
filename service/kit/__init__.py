"""The ground every domain stands on: settings, units of work, the work engine, clock, ids, money, errors, storage.

Nothing here knows a domain. Import the module you need (`from service.kit import work`): there is no front door.
"""
