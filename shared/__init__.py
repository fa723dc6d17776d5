"""What every service of Actverse stands on: events, the map, the bus, storage, progress, the database."""
