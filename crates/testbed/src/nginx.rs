//! nginx in front of several php-fpm masters, round robin. It tries no other server when one fails, unless asked, so that a
//! test sees every failure.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Attempt, Result};
use crate::folder::{find_program, is_root, web_user};
use crate::ports::{PortLease, retry_on_collision};
use crate::service::Recipe;
use crate::{Endpoint, Folder, Service};

/// An address that answers without PHP and without a line in the log.
const READY: &str = "/.testbed-ready";

/// How nginx is set up.
#[derive(Debug, Clone, Default)]
pub struct NginxOptions {
    /// Ask the next server when one fails before it answered, as an operator would set it.
    pub fail_over: bool,
    /// Whom its worker runs as when we are root; `None` is the distribution's web user.
    pub user: Option<String>,
    /// Further lines inside `http { }`.
    pub http: String,
    /// Further lines inside the location that runs PHP.
    pub php: String,
    /// Keep pages, as a host's page cache does.
    pub cache: Option<PageCache>,
}

/// A page cache in nginx, as plain as can be: it obeys what a page says of itself (`Set-Cookie`, `Cache-Control`, `Expires`,
/// `Vary`), and a visitor with a session's cookie goes past it. Every reply says in `X-Cache` what the cache did (`HIT`, `MISS`,
/// `BYPASS`, `EXPIRED`), and in `Server-Timing` once more, where a page's own script can read it.
#[derive(Debug, Clone)]
pub struct PageCache {
    /// The name of the session's cookie.
    pub cookie: String,
    /// A regular expression on the `Cookie` header of those who go past it, too, such as `wordpress_logged_in`.
    pub past: Option<String>,
    /// How long a page is kept that says nothing of it, as nginx writes it, such as `10m`.
    pub keep: String,
}

impl Default for PageCache {
    fn default() -> Self {
        Self { cookie: "PHPSESSID".into(), past: None, keep: "10m".into() }
    }
}

impl PageCache {
    /// Lines for `http { }`.
    fn http(&self, folder: &Path) -> String {
        let past = self.past.as_deref().map(|past| format!("\"~{past}\" 1;")).unwrap_or_default();
        format!(
            r#"fastcgi_cache_path {folder} levels=1:2 keys_zone=pages:8m max_size=512m inactive=60m use_temp_path=off;
  map $http_cookie $past_the_cache {{ default ""; {past} }}
  map $upstream_cache_status $cache_timing {{ "" ""; default 'cache;desc="$upstream_cache_status"'; }}"#,
            folder = folder.display(),
        )
    }

    /// Lines for the location that runs PHP.
    fn php(&self) -> String {
        format!(
            r#"fastcgi_cache pages;
      fastcgi_cache_key $scheme$request_method$host$request_uri;
      fastcgi_cache_valid 200 301 404 {keep};
      fastcgi_cache_bypass $cookie_{cookie} $past_the_cache;
      fastcgi_no_cache $cookie_{cookie} $past_the_cache;
      add_header X-Cache $upstream_cache_status always;
      add_header Server-Timing $cache_timing always;"#,
            keep = self.keep,
            cookie = self.cookie,
        )
    }
}

/// An nginx of a test; what can be done to it is in [`Service`].
#[derive(Debug)]
pub struct Nginx {
    service: Service,
    port: PortLease,
    folder: Folder,
}

impl Nginx {
    /// Starts one that serves `root` and sends PHP to the servers in turn.
    pub fn start(root: &Path, servers: &[Endpoint]) -> Result<Self> {
        Self::start_with(root, servers, &NginxOptions::default())
    }

    /// Starts one with options.
    pub fn start_with(root: &Path, servers: &[Endpoint], options: &NginxOptions) -> Result<Self> {
        retry_on_collision(|port| {
            let folder = Folder::new("nginx")?;
            let service = Service::launch(recipe(&folder, port.number(), root, servers, options)?)?;
            Ok(Self { service, port, folder })
        })
    }

    /// Its TCP address.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::loopback(self.port.number())
    }

    /// The site's address, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    /// One line per request: method, address, status, the php-fpm that answered, cache state.
    pub fn access_log(&self) -> String {
        std::fs::read_to_string(self.access_log_path()).unwrap_or_default()
    }

    /// Where the access log is.
    pub fn access_log_path(&self) -> PathBuf {
        self.folder.join("access.log")
    }
}

impl Deref for Nginx {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

pub(crate) fn recipe(
    folder: &Folder,
    port: u16,
    root: &Path,
    servers: &[Endpoint],
    options: &NginxOptions,
) -> Result<Recipe> {
    let program = find_program("nginx")?;
    let temporary = folder.join("tmp");
    std::fs::create_dir_all(&temporary).attempt(|| format!("make {}", temporary.display()))?;
    let config = folder.write("nginx.conf", config(folder, port, root, servers, options))?;
    let (prefix, log) = (folder.path().to_path_buf(), folder.join("error.log"));
    let startup_log = log.clone();
    let endpoint = Endpoint::loopback(port);
    Ok(Recipe {
        name: "nginx".into(),
        command: Box::new(move || {
            let mut command = Command::new(&program);
            command
                .arg("-p")
                .arg(&prefix)
                .arg("-c")
                .arg(&config)
                // Until it has read its configuration it would write to the system's log.
                .arg("-e")
                .arg(&startup_log);
            command
        }),
        probe: Box::new(move || {
            let request = format!("GET {READY} HTTP/1.0\r\n\r\n");
            let reply = endpoint.ask(request.as_bytes()).map_err(|error| error.to_string())?;
            match reply.starts_with(b"HTTP/1.1 204") {
                true => Ok(()),
                false => Err(String::from_utf8_lossy(&reply).into_owned()),
            }
        }),
        log,
        temporary: folder.temporary(),
    })
}

fn config(folder: &Folder, port: u16, root: &Path, servers: &[Endpoint], options: &NginxOptions) -> String {
    let user = options
        .user
        .as_deref()
        .or(web_user())
        .filter(|_| is_root())
        .map(|user| format!("user {user};"))
        .unwrap_or_default();
    let path = |name: &str| folder.join(name).display().to_string();
    // A server that failed once must not be left out for ten seconds: round robin stays what the test expects.
    let servers: String = servers
        .iter()
        .map(|server| match options.fail_over {
            true => format!("    server {server} max_fails=1 fail_timeout=2s;\n"),
            false => format!("    server {server} max_fails=0;\n"),
        })
        .collect();
    let next = match options.fail_over {
        true => "error timeout",
        false => "off",
    };
    let cache = options.cache.as_ref();
    let cache_http = cache.map(|cache| cache.http(&folder.join("cache"))).unwrap_or_default();
    let cache_php = cache.map(PageCache::php).unwrap_or_default();
    format!(
        r#"{user}
daemon off;
# One worker: more would each count their own round robin.
worker_processes 1;
pid {pid};
error_log {error_log} warn;
events {{ worker_connections 1024; }}
http {{
  types {{
    text/html html; text/css css; application/javascript js; application/json json;
    image/svg+xml svg; image/png png; image/jpeg jpg jpeg; image/gif gif; font/woff2 woff2; font/woff woff;
  }}
  default_type application/octet-stream;
  log_format testbed '$request_method $request_uri $status $upstream_addr $upstream_cache_status $request_time';
  access_log {access_log} testbed;
  client_body_temp_path {tmp}/body;
  proxy_temp_path {tmp}/proxy;
  fastcgi_temp_path {tmp}/fastcgi;
  uwsgi_temp_path {tmp}/uwsgi;
  scgi_temp_path {tmp}/scgi;
  client_max_body_size 64m;
  server_tokens off;
  upstream php {{
{servers}  }}
  {cache_http}
  {http}
  server {{
    listen 127.0.0.1:{port};
    server_name _;
    root {root};
    index index.php index.html;
    absolute_redirect off;
    location = {READY} {{ access_log off; return 204; }}
    location / {{ try_files $uri $uri/ /index.php$is_args$args; }}
    location ~ /\.(?!well-known) {{ deny all; }}
    location ~ \.php(/|$) {{
      fastcgi_split_path_info ^(.+?\.php)(/.*)$;
      try_files $fastcgi_script_name =404;
      fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
      fastcgi_param SCRIPT_NAME $fastcgi_script_name;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param REQUEST_URI $request_uri;
      fastcgi_param DOCUMENT_URI $document_uri;
      fastcgi_param DOCUMENT_ROOT $document_root;
      fastcgi_param SERVER_PROTOCOL $server_protocol;
      fastcgi_param REQUEST_SCHEME $scheme;
      fastcgi_param GATEWAY_INTERFACE CGI/1.1;
      fastcgi_param SERVER_SOFTWARE nginx;
      fastcgi_param REMOTE_ADDR $remote_addr;
      fastcgi_param REMOTE_PORT $remote_port;
      fastcgi_param SERVER_ADDR $server_addr;
      fastcgi_param SERVER_PORT $server_port;
      fastcgi_param SERVER_NAME $host;
      fastcgi_param REDIRECT_STATUS 200;
      # httpoxy: a Proxy header must not become PHP's HTTP_PROXY.
      fastcgi_param HTTP_PROXY "";
      fastcgi_next_upstream {next};
      fastcgi_read_timeout 60s;
      fastcgi_buffers 16 16k;
      fastcgi_buffer_size 32k;
      {cache_php}
      {php}
      fastcgi_pass php;
    }}
  }}
}}
"#,
        pid = path("nginx.pid"),
        error_log = path("error.log"),
        access_log = path("access.log"),
        tmp = path("tmp"),
        http = options.http,
        php = options.php,
        root = root.display(),
    )
}
