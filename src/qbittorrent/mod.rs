//! The qBittorrent WebUI API (v2) over our grabs.
