//! Radarr and Sonarr: client, library reader, registration, import tracking.
