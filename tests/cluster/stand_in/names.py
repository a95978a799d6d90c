"""The names that Grafana 13 knows, as its documentation and its own defaults list them.

Of settings those sections that a server without plugins, image renderer, mail and logins of others may need: who uses
another one adds it here, from the documentation.

Source: https://grafana.com/docs/grafana/latest/setup-grafana/configure-grafana/,
https://grafana.com/docs/grafana/latest/administration/provisioning/ and the pages of the data sources.
"""

from collections.abc import Mapping


def _names(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


DEFAULT = "DEFAULT"  # the section of what stands before the first one

SETTINGS: Mapping[str, frozenset[str]] = {
    section: _names(keys)
    for section, keys in {
        DEFAULT: "app_mode instance_name target",
        "paths": "data temp_data_lifetime logs plugins provisioning permitted_provisioning_paths",
        "server": "protocol min_tls_version http_addr http_port domain enforce_domain root_url serve_from_sub_path"
        " router_logging static_root_path enable_gzip cert_file cert_key cert_pass certs_watch_interval socket_gid"
        " socket_mode socket cdn_url read_timeout",
        "database": "type host name user password url high_availability max_idle_conn max_open_conn conn_max_lifetime"
        " log_queries ssl_mode ssl_sni isolation_level ca_cert_path client_key_path client_cert_path server_cert_name"
        " path cache_mode wal migration_locking locking_attempt_timeout_sec query_retries transaction_retries"
        " instrument_queries delete_auto_gen_ids skip_dashboard_uid_migration_on_startup skip_migrations"
        " ensure_default_org_and_user",
        "remote_cache": "type connstr prefix encryption",
        "dataproxy": "logging timeout dialTimeout keep_alive_seconds tls_handshake_timeout_seconds"
        " expect_continue_timeout_seconds max_conns_per_host max_idle_connections idle_conn_timeout_seconds"
        " send_user_header response_limit row_limit user_agent",
        "analytics": "reporting_enabled reporting_distributor check_for_updates check_for_plugin_updates"
        " feedback_links_enabled reporting_static_context browser_console_reporter",
        "security": "disable_initial_admin_creation admin_user admin_password admin_email secret_key"
        " encryption_provider available_encryption_providers disable_gravatar data_source_proxy_whitelist"
        " disable_brute_force_login_protection brute_force_login_protection_max_attempts"
        " disable_username_login_protection disable_ip_address_login_protection cookie_secure cookie_samesite"
        " allow_embedding strict_transport_security strict_transport_security_max_age_seconds"
        " strict_transport_security_preload strict_transport_security_subdomains x_content_type_options"
        " x_xss_protection content_security_policy content_security_policy_template"
        " content_security_policy_report_only content_security_policy_report_only_template csrf_always_check"
        " csrf_trusted_origins csrf_additional_headers enable_frontend_sandbox_for_plugins actions_allow_post_url",
        "snapshots": "enabled external_enabled external_snapshot_url external_snapshot_name public_mode",
        "dashboards": "versions_to_keep min_refresh_interval default_home_dashboard_path"
        " dashboard_performance_metrics panel_series_limit",
        "datasources": "datasource_limit concurrent_query_count default_manage_alerts_ui_toggle"
        " default_allow_recording_rules_target_alerts_ui_toggle",
        "users": "allow_sign_up allow_org_create auto_assign_org auto_assign_org_id auto_assign_org_role"
        " verify_email_enabled login_default_org_id login_hint password_hint default_theme default_language home_page"
        " external_manage_link_url external_manage_link_name external_manage_info viewers_can_edit"
        " user_invite_max_lifetime_duration verification_email_max_lifetime_duration last_seen_update_interval"
        " hidden_users",
        "auth": "login_cookie_name disable_login login_maximum_inactive_lifetime_duration"
        " login_maximum_lifetime_duration token_rotation_interval_minutes disable_login_form disable_signout_menu"
        " signout_redirect_url oauth_auto_login oauth_state_cookie_max_age oauth_login_error_message"
        " oauth_refresh_token_server_lock_min_wait_ms api_key_max_seconds_to_live sigv4_auth_enabled"
        " sigv4_verbose_logging azure_auth_enabled oauth_allow_insecure_email_lookup id_response_header_enabled"
        " id_response_header_prefix id_response_header_namespaces managed_service_accounts_enabled",
        "auth.anonymous": "enabled org_name org_role hide_version device_limit",
        "auth.basic": "enabled password_policy",
        "log": "mode level filters user_facing_default_error",
        "log.console": "level format",
        "quota": "enabled org_user org_dashboard org_data_source org_api_key org_alert_rule user_org global_user"
        " global_org global_dashboard global_api_key global_session global_alert_rule global_file global_correlations"
        " alerting_rule_group_rules alerting_rule_evaluation_results",
        "unified_alerting": "enabled disabled_orgs initialization_timeout admin_config_poll_interval"
        " alertmanager_config_poll_interval alertmanager_max_silences_count alertmanager_max_silence_size_bytes"
        " alertmanager_max_template_output_bytes ha_redis_address ha_redis_cluster_mode_enabled"
        " ha_redis_sentinel_mode_enabled ha_redis_sentinel_master_name ha_redis_username ha_redis_password"
        " ha_redis_sentinel_username ha_redis_sentinel_password ha_redis_db ha_redis_prefix ha_redis_peer_name"
        " ha_redis_max_conns ha_redis_tls_enabled ha_redis_tls_cert_path ha_redis_tls_key_path ha_redis_tls_ca_path"
        " ha_redis_tls_server_name ha_redis_tls_insecure_skip_verify ha_redis_tls_cipher_suites"
        " ha_redis_tls_min_version ha_listen_address ha_advertise_address ha_peers ha_peer_timeout ha_label"
        " ha_gossip_interval ha_reconnect_timeout ha_push_pull_interval ha_single_node_evaluation execute_alerts"
        " evaluation_timeout max_attempts initial_retry_delay max_retry_delay randomization_factor min_interval"
        " max_state_save_concurrency state_periodic_save_interval state_periodic_save_batch_size"
        " state_periodic_save_jitter_enabled disable_jitter notification_log_retention resolved_alert_retention"
        " rule_version_record_limit deleted_rule_retention",
        "unified_alerting.screenshots": "capture capture_timeout max_concurrent_screenshots"
        " upload_external_image_storage",
        "recording_rules": "enabled timeout default_datasource_uid",
        "explore": "enabled defaultTimeOffset hide_logs_download",
        "help": "enabled",
        "profile": "enabled",
        "news": "news_feed_enabled",
        "query": "concurrent_query_limit",
        "query_history": "enabled",
        "short_links": "expire_time",
        "metrics": "enabled interval_seconds disable_total_stats total_stats_collector_interval_seconds"
        " classic_http_histogram_enabled basic_auth_username basic_auth_password",
        "grafana_com": "url api_url sso_api_token",
        "live": "max_connections message_size_limit client_queue_max_size allowed_origins ha_engine ha_engine_address"
        " ha_engine_password ha_prefix",
        "plugins": "enable_alpha app_tls_skip_verify_insecure allow_loading_unsigned_plugins plugin_admin_enabled"
        " plugin_admin_external_manage_enabled plugin_catalog_url plugin_catalog_hidden_plugins preinstall"
        " preinstall_async preinstall_sync preinstall_disabled preinstall_auto_update disable_plugins"
        " public_key_retrieval_disabled public_key_retrieval_on_startup",
        "feature_toggles": "enable",
        "date_formats": "full_date interval_second interval_minute interval_hour interval_day interval_month"
        " interval_year use_browser_locale default_timezone default_week_start",
        "public_dashboards": "enabled",
        "support_bundles": "enabled server_admin_only public_keys",
        "cloud_migration": "enabled is_target",
        "secrets_manager": "encryption_provider register_api_server run_secrets_db_migrations run_data_key_migration",
        "secrets_manager.encryption.secret_key.v1": "secret_key",
    }.items()
}
# What a setting may be, where the documentation counts it up.
BOOLEAN = frozenset({"true", "false"})
VALUES: Mapping[str, frozenset[str]] = {
    "app_mode": frozenset({"production", "development"}),
    "server.protocol": frozenset({"http", "https", "h2", "socket"}),
    "database.type": frozenset({"sqlite3", "postgres", "mysql"}),
    "database.ssl_mode": frozenset({"disable", "require", "verify-ca", "verify-full"}),
    "database.high_availability": BOOLEAN,
    "database.wal": BOOLEAN,
    "analytics.reporting_enabled": BOOLEAN,
    "analytics.check_for_updates": BOOLEAN,
    "analytics.check_for_plugin_updates": BOOLEAN,
    "analytics.feedback_links_enabled": BOOLEAN,
    "security.cookie_secure": BOOLEAN,
    "security.cookie_samesite": frozenset({"lax", "strict", "none", "disabled"}),
    "security.disable_gravatar": BOOLEAN,
    "security.disable_initial_admin_creation": BOOLEAN,
    "users.allow_sign_up": BOOLEAN,
    "users.auto_assign_org_role": frozenset({"Viewer", "Editor", "Admin", "None"}),
    "users.default_theme": frozenset({"dark", "light", "system"}),
    "auth.anonymous.enabled": BOOLEAN,
    "auth.anonymous.org_role": frozenset({"Viewer", "Editor", "Admin"}),
    "log.level": frozenset({"debug", "info", "warn", "error", "critical"}),
    "log.console.format": frozenset({"text", "console", "json"}),
    "log.console.level": frozenset({"debug", "info", "warn", "error", "critical"}),
    "metrics.enabled": BOOLEAN,
    "news.news_feed_enabled": BOOLEAN,
    "unified_alerting.enabled": BOOLEAN,
    "unified_alerting.execute_alerts": BOOLEAN,
    "unified_alerting.ha_single_node_evaluation": BOOLEAN,
    "plugins.plugin_admin_enabled": BOOLEAN,
    "plugins.public_key_retrieval_disabled": BOOLEAN,
    "snapshots.external_enabled": BOOLEAN,
    "public_dashboards.enabled": BOOLEAN,
    "support_bundles.enabled": BOOLEAN,
}
# Of Grafana's defaults those that are read here.
DEFAULTS: Mapping[str, str] = {
    "server.protocol": "http",
    "server.http_addr": "",
    "server.http_port": "3000",
    "server.domain": "localhost",
    "server.root_url": "%(protocol)s://%(domain)s:%(http_port)s/",
    "server.enforce_domain": "false",
    "database.type": "sqlite3",
    "database.host": "127.0.0.1:3306",
    "database.name": "grafana",
    "database.user": "root",
    "database.password": "",
    "database.url": "",
    "database.ssl_mode": "disable",
    "database.ca_cert_path": "",
    "database.client_cert_path": "",
    "database.client_key_path": "",
    "database.path": "grafana.db",
    "security.admin_user": "admin",
    "security.admin_password": "admin",
    "security.secret_key": "SW2YcwTIb9zpOOhoPsMm",
    "dashboards.default_home_dashboard_path": "",
    "metrics.enabled": "true",
    "unified_alerting.ha_listen_address": "0.0.0.0:9094",
    "unified_alerting.ha_advertise_address": "",
    "unified_alerting.ha_peers": "",
}
SECRETS = frozenset({"database.password", "security.admin_password", "security.secret_key"})
# Variables that only the image's start script reads.
OF_THE_SCRIPT = frozenset({"GF_PATHS_CONFIG", "GF_PATHS_HOME", "GF_INSTALL_PLUGINS", "GF_AWS_PROFILES"})

# Directories of provisioning files -> the keys that a file of it may have.
PROVISIONING: Mapping[str, frozenset[str]] = {
    "datasources": frozenset({"apiVersion", "prune", "datasources", "deleteDatasources"}),
    "dashboards": frozenset({"apiVersion", "providers"}),
    "alerting": _names(
        "apiVersion groups deleteRules contactPoints deleteContactPoints policies resetPolicies templates"
        " deleteTemplates muteTimes deleteMuteTimes"
    ),
    "plugins": frozenset({"apiVersion", "apps"}),
    "access-control": frozenset({"apiVersion", "roles", "teams"}),
}
SOURCE = _names(
    "apiVersion orgId orgName version name type access url user database basicAuth basicAuthUser withCredentials"
    " isDefault correlations jsonData secureJsonData editable uid"
)
DELETED_SOURCE = frozenset({"orgId", "orgName", "name"})
PROVIDER = _names(
    "name type orgId folder folderUid editable options disableDeletion updateIntervalSeconds allowUiUpdates"
)
PROVIDER_OPTIONS = frozenset({"path", "foldersFromFilesStructure"})

# Of jsonData: what every data source that speaks HTTP may have, and what each kind has besides.
HTTP = _names("keepCookies oauthPassThru serverName timeout tlsAuth tlsAuthWithCACert tlsSkipVerify")
JSON_DATA: Mapping[str, frozenset[str]] = {
    "prometheus": _names(
        "alertmanagerUid allowAsRecordingRulesTarget cacheLevel codeModeMetricNamesSuggestionLimit"
        " customQueryParameters defaultEditor disableMetricsLookup disableRecordingRules exemplarTraceIdDestinations"
        " httpMethod incrementalQuerying incrementalQueryOverlapWindow manageAlerts prometheusType prometheusVersion"
        " queryTimeout seriesEndpoint seriesLimit timeInterval"
    ),
    "loki": _names("alertmanagerUid derivedFields manageAlerts maxLines predefinedOperations"),
    "jaeger": _names("nodeGraph spanBar traceIdTimeParams tracesToLogsV2 tracesToMetrics"),
    "alertmanager": frozenset({"handleGrafanaManagedAlerts", "implementation"}),
}
SECURE_JSON_DATA = frozenset({"basicAuthPassword", "tlsCACert", "tlsClientCert", "tlsClientKey"})
HEADER_NAME, HEADER_VALUE = "httpHeaderName", "httpHeaderValue"  # with a number each
# A part of jsonData -> the keys of it, or of each of its entries where it is a list.
NESTED: Mapping[str, frozenset[str]] = {
    "exemplarTraceIdDestinations": frozenset({"datasourceUid", "name", "url", "urlDisplayLabel"}),
    "derivedFields": _names("datasourceUid matcherRegex matcherType name targetBlank url urlDisplayLabel"),
    "tracesToLogsV2": _names(
        "customQuery datasourceUid filterBySpanID filterByTraceID query spanEndTimeShift spanStartTimeShift tags"
    ),
    "tracesToMetrics": _names("datasourceUid queries spanEndTimeShift spanStartTimeShift tags"),
    "nodeGraph": frozenset({"enabled"}),
    "spanBar": frozenset({"type", "tag"}),
    "traceIdTimeParams": frozenset({"enabled"}),
    "tags": frozenset({"key", "value"}),
    "queries": frozenset({"name", "query"}),
}
# A part of jsonData -> the kind of data source to which it leads.
LEADS_TO: Mapping[str, str] = {
    "exemplarTraceIdDestinations": "jaeger",
    "derivedFields": "jaeger",
    "tracesToLogsV2": "loki",
    "tracesToMetrics": "prometheus",
}
JSON_VALUES: Mapping[str, frozenset[str]] = {
    "httpMethod": frozenset({"GET", "POST"}),
    "prometheusType": frozenset({"Prometheus", "Cortex", "Mimir", "Thanos"}),
    "cacheLevel": frozenset({"Low", "Medium", "High", "None"}),
    "defaultEditor": frozenset({"builder", "code"}),
    "implementation": frozenset({"prometheus", "mimir", "cortex"}),
    "matcherType": frozenset({"regex", "label"}),
}
# Data sources that every Grafana has.
BUILT_IN = frozenset({"grafana", "-- Grafana --", "-- Mixed --", "-- Dashboard --"})
# https://grafana.com/docs/grafana/latest/panels-visualizations/visualizations/
PANELS = _names(
    "alertlist annolist barchart bargauge candlestick canvas dashlist datagrid debug flamegraph gauge geomap heatmap"
    " histogram logs news nodeGraph piechart row stat state-timeline status-history table text timeseries traces trend"
    " welcome xychart"
)
VARIABLES = _names("adhoc constant custom datasource groupby interval query switch textbox")
