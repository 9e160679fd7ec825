//! Command lines with secrets, and what they become.

use super::mask_arguments;

/// Arguments between blanks; `␣` is a blank in one.
fn mask(line: &str) -> String {
    let arguments: Vec<String> = line.split(' ').map(|word| word.replace('␣', " ")).collect();
    let masked = mask_arguments(&arguments);
    let masked: Vec<String> = masked.iter().map(|word| word.replace(' ', "␣")).collect();
    masked.join(" ")
}

fn check(table: &[(&str, &str)]) {
    for (line, expected) in table {
        assert_eq!(mask(line), *expected, "{line}");
    }
}

#[test]
fn options_by_name() {
    check(&[
        (
            "cmake -DDB_PASSWORD:STRING=hunter2 .",
            "cmake -DDB_PASSWORD:STRING=*** .",
        ),
        ("app --password=hunter2 -v", "app --password=*** -v"),
        ("app --password hunter2 -v", "app --password *** -v"),
        ("app -password hunter2", "app -password ***"),
        ("app --password=two␣words x", "app --password=*** x"),
        ("app --password␣hunter2", "app --password␣***"),
        ("app --password --user=root", "app --password --user=root"),
        ("app --dbPassword=hunter2", "app --dbPassword=***"),
        ("app --client-secret hunter2", "app --client-secret ***"),
        ("app --access-key hunter2", "app --access-key ***"),
        ("app --secret-key=hunter2", "app --secret-key=***"),
        ("app --api-key hunter2", "app --api-key ***"),
        ("app --apikey=hunter2", "app --apikey=***"),
        ("app --auth-token hunter2", "app --auth-token ***"),
        ("app --private-key hunter2", "app --private-key ***"),
        (
            "app --private-key /root/x.pem",
            "app --private-key /root/x.pem",
        ),
        ("app --set=db.password=hunter2", "app --set=db.password=***"),
        (
            "app --set db.password=hunter2,x=y",
            "app --set db.password=***",
        ),
        ("app -Dspring.password=hunter2", "app -Dspring.password=***"),
        (
            "gpg --batch --passphrase hunter2 -c f",
            "gpg --batch --passphrase *** -c f",
        ),
        ("gpg --passphrase-fd 0 -c f", "gpg --passphrase-fd 0 -c f"),
        (
            "gpg --passphrase-file /k -c f",
            "gpg --passphrase-file /k -c f",
        ),
        (
            "rclone sync --pass hunter2 a b:",
            "rclone sync --pass *** a b:",
        ),
        (
            "npm publish --_authToken=hunter2",
            "npm publish --_authToken=***",
        ),
        (
            "npm config set //r.org/:_authToken hunter2",
            "npm config set //r.org/:_authToken ***",
        ),
        (
            "aws configure set aws_secret_access_key hunter2",
            "aws configure set aws_secret_access_key ***",
        ),
        (
            "kubectl --token hunter2 get pods",
            "kubectl --token *** get pods",
        ),
        (
            "kubectl create secret generic a --from-literal=password=hunter2",
            "kubectl create secret generic a --from-literal=password=***",
        ),
        (
            "vault login -method=token token=hunter2",
            "vault login -method=token ***",
        ),
        ("vault login hunter2", "vault login ***"),
        (
            "vault kv put secret/x password=hunter2",
            "vault kv put secret/x password=***",
        ),
        (
            "keytool -storepass hunter2 -list",
            "keytool -storepass *** -list",
        ),
        (
            "wget --user=u --http-password=hunter2 h",
            "wget --user=u --http-password=*** h",
        ),
        (
            "mount -t cifs -o user=u,password=hunter2,ro //s/x /m",
            "mount -t cifs -o user=u,password=***,ro //s/x /m",
        ),
        (
            "redis-server --requirepass hunter2",
            "redis-server --requirepass ***",
        ),
    ]);
}

#[test]
fn options_of_single_programs() {
    check(&[
        ("mysql -u root -phunter2 db", "mysql -u root -p*** db"),
        (
            "/usr/bin/mysqldump -phunter2 db",
            "/usr/bin/mysqldump -p*** db",
        ),
        ("mysqladmin -p shutdown", "mysqladmin -p shutdown"),
        ("sudo -u mysql mysql -phunter2", "sudo -u mysql mysql -p***"),
        (
            "sshpass -p hunter2 ssh -p 22 host",
            "sshpass -p *** ssh -p 22 host",
        ),
        (
            "sshpass -phunter2 ssh -p 22 host",
            "sshpass -p*** ssh -p 22 host",
        ),
        ("curl -u user:hunter2 h", "curl -u user:*** h"),
        ("curl -uuser:hunter2 h", "curl -uuser:*** h"),
        ("curl -sSfu user:hunter2 h", "curl -sSfu user:*** h"),
        ("curl -u user h", "curl -u user h"),
        ("curl --user user:hunter2 h", "curl --user user:*** h"),
        (
            "curl --proxy-user=user:hunter2 h",
            "curl --proxy-user=user:*** h",
        ),
        (
            "curl -x user:hunter2@proxy:80 h",
            "curl -x user:***@proxy:80 h",
        ),
        ("curl --cert c.pem:hunter2 h", "curl --cert c.pem:*** h"),
        ("curl -b id=hunter2 h", "curl -b *** h"),
        ("curl -b jar.txt h", "curl -b jar.txt h"),
        ("curl --cookie id=hunter2 h", "curl --cookie *** h"),
        (
            "curl --oauth2-bearer hunter2 h",
            "curl --oauth2-bearer *** h",
        ),
        (
            "sudo env A=b curl -u user:hunter2 h",
            "sudo env A=b curl -u user:*** h",
        ),
        (
            "openssl rsa -passin pass:hunter2 -in k",
            "openssl rsa -passin pass:*** -in k",
        ),
        (
            "openssl rsa -passout file:/k -in k",
            "openssl rsa -passout file:/k -in k",
        ),
        (
            "openssl enc -pass pass:hunter2 -in k",
            "openssl enc -pass pass:*** -in k",
        ),
        (
            "openssl enc -aes-256-cbc -k hunter2",
            "openssl enc -aes-256-cbc -k ***",
        ),
        (
            "openssl req -newkey rsa:2048 -keyout k.pem",
            "openssl req -newkey rsa:2048 -keyout k.pem",
        ),
        ("openssl passwd -6 hunter2", "openssl passwd -6 ***"),
        (
            "docker login -u me -p hunter2 r.io",
            "docker login -u me -p *** r.io",
        ),
        (
            "docker run -p 80:80 -e A_TOKEN=hunter2 x",
            "docker run -p 80:80 -e A_TOKEN=*** x",
        ),
        ("ldapsearch -D cn=x -w hunter2", "ldapsearch -D cn=x -w ***"),
        ("redis-cli -a hunter2 ping", "redis-cli -a *** ping"),
        ("redis-cli AUTH hunter2", "redis-cli AUTH ***"),
        (
            "smbclient -U user%hunter2 //s/x",
            "smbclient -U user%*** //s/x",
        ),
        ("zip -r -P hunter2 a.zip a", "zip -r -P *** a.zip a"),
        ("7z a -phunter2 a.7z a", "7z a -p*** a.7z a"),
        ("unrar x -phunter2 a.rar", "unrar x -p*** a.rar"),
        ("rar a -hphunter2 a.rar", "rar a -hp*** a.rar"),
        ("useradd -m -p hunter2 joe", "useradd -m -p *** joe"),
        ("mongosh -u u -p hunter2 db", "mongosh -u u -p *** db"),
        ("wpa_passphrase net hunter2", "wpa_passphrase net ***"),
        ("htpasswd -b f joe hunter2", "htpasswd -b f joe ***"),
    ]);
}

#[test]
fn variables_and_scripts() {
    check(&[
        ("PGPASSWORD=hunter2 psql", "PGPASSWORD=*** psql"),
        ("env FOO_TOKEN=hunter2 make", "env FOO_TOKEN=*** make"),
        ("sudo MYSQL_PWD=hunter2 mysql", "sudo MYSQL_PWD=*** mysql"),
        (
            "env SSHPASS=hunter2 sshpass -e ssh h",
            "env SSHPASS=*** sshpass -e ssh h",
        ),
        (
            "env RESTIC_PASSWORD=hunter2 restic ls",
            "env RESTIC_PASSWORD=*** restic ls",
        ),
        (
            "env BORG_PASSPHRASE=two␣words borg l",
            "env BORG_PASSPHRASE=*** borg l",
        ),
        ("env DB_PASS=hunter2 app", "env DB_PASS=*** app"),
        (
            "env AWS_SECRET_ACCESS_KEY=hunter2 aws",
            "env AWS_SECRET_ACCESS_KEY=*** aws",
        ),
        (
            "env BASIC_AUTH=joe:hunter2 app",
            "env BASIC_AUTH=joe:*** app",
        ),
        ("sh -c TOKEN=hunter2␣make␣all", "sh -c TOKEN=***␣make␣all"),
        (
            "bash -lc cd␣/x␣&&␣TOKEN=hunter2␣make␣&&␣ls",
            "bash -lc cd␣/x␣&&␣TOKEN=***␣make␣&&␣ls",
        ),
        (
            "sh -c A_TOKEN='two␣words'␣make␣\"all\"",
            "sh -c A_TOKEN=***␣make␣\"all\"",
        ),
        (
            "sh -c export␣API_KEY=\"hunter2\";make",
            "sh -c export␣API_KEY=***;make",
        ),
        (
            "sh -c x=$(curl␣-u␣u:hunter2␣h)",
            "sh -c x=$(curl␣-u␣u:***␣h)",
        ),
        (
            "sh -c curl␣$(opts)␣-u␣u:hunter2␣h",
            "sh -c curl␣$(opts)␣-u␣u:***␣h",
        ),
        (
            "sh -c if␣curl␣-u␣u:hunter2␣h;then␣a;fi",
            "sh -c if␣curl␣-u␣u:***␣h;then␣a;fi",
        ),
        (
            "sh -c curl␣\\\n␣-u␣\\\n␣u:hunter2␣h",
            "sh -c curl␣\\\n␣-u␣\\\n␣u:***␣h",
        ),
        (
            "sh -c curl␣-H␣'X-Api-Key:␣hunter2'␣h",
            "sh -c curl␣-H␣'X-Api-Key:␣***'␣h",
        ),
        (
            "sh -c sh␣-c␣'mysql␣-phunter2␣db'",
            "sh -c sh␣-c␣'mysql␣-p***␣db'",
        ),
        (
            "sh -c echo␣root:hunter2␣|␣chpasswd",
            "sh -c echo␣root:***␣|␣chpasswd",
        ),
        ("ssh host mysql -phunter2", "ssh host mysql -p***"),
        ("ssh host mysql␣-phunter2", "ssh host mysql␣-p***"),
        (
            "su - joe -c TOKEN=hunter2␣make",
            "su - joe -c TOKEN=***␣make",
        ),
        (
            "make DESTDIR=/x SIGNING_TOKEN=hunter2",
            "make DESTDIR=/x SIGNING_TOKEN=***",
        ),
    ]);
}

#[test]
fn headers_and_addresses() {
    check(&[
        (
            "git clone https://ghs_16C7e42F292c6912E7710c838@h/x",
            "git clone https://***@h/x",
        ),
        (
            "echo -----BEGIN PRIVATE KEY----- MIIa b= -----END PRIVATE KEY-----",
            "echo -----BEGIN *** *** *** *** *** PRIVATE KEY-----",
        ),
        ("app x␣-----BEGIN␣PRIVATE␣KEY-----␣MIIhunter2", "app x␣***"),
        (
            "curl -H Authorization:␣Bearer␣hunter2 h",
            "curl -H Authorization:␣Bearer␣*** h",
        ),
        (
            "curl -HAuthorization:␣Basic␣hunter2 h",
            "curl -HAuthorization:␣Basic␣*** h",
        ),
        (
            "curl --header X-Api-Key:␣hunter2 h",
            "curl --header X-Api-Key:␣*** h",
        ),
        ("curl -H Accept:␣text/html h", "curl -H Accept:␣text/html h"),
        ("curl -H Cookie:␣a=b;␣c=hunter2 h", "curl -H Cookie:␣*** h"),
        (
            "curl -H PRIVATE-TOKEN:hunter2 h",
            "curl -H PRIVATE-TOKEN:*** h",
        ),
        (
            "wget --header=Authorization:␣hunter2 h",
            "wget --header=Authorization:␣*** h",
        ),
        (
            "wget --header Proxy-Authorization:␣Basic␣hunter2 h",
            "wget --header Proxy-Authorization:␣Basic␣*** h",
        ),
        (
            "git -c http.https://h/.extraheader=AUTHORIZATION:␣basic␣hunter2 fetch",
            "git -c http.https://h/.extraheader=AUTHORIZATION:␣basic␣*** fetch",
        ),
        (
            "curl -H Authorization: Bearer hunter2",
            "curl -H Authorization: Bearer ***",
        ),
        (
            "curl -d {\"password\":\"hunter2\",\"a\":1} h",
            "curl -d {\"password\":\"***\",\"a\":1} h",
        ),
        (
            "curl -d user=u&password=hunter2&a=b h",
            "curl -d user=u&password=***&a=b h",
        ),
        (
            "git clone https://user:hunter2@host/x",
            "git clone https://user:***@host/x",
        ),
        (
            "pip install --index-url https://u:hunter2@h/s x",
            "pip install --index-url https://u:***@h/s x",
        ),
        (
            "psql postgres://u:hunter2@h/db",
            "psql postgres://u:***@h/db",
        ),
        (
            "mongodump --uri=mongodb://u:hunter2@a:1,b:2/d",
            "mongodump --uri=mongodb://u:***@a:1,b:2/d",
        ),
        (
            "app --broker amqp://u:hunter2@h:5672",
            "app --broker amqp://u:***@h:5672",
        ),
        (
            "env https_proxy=http://u:hunter2@p:80 wget h",
            "env https_proxy=http://u:***@p:80 wget h",
        ),
        (
            "wget https://h/x?a=b&token=hunter2&c=d",
            "wget https://h/x?a=b&token=***&c=d",
        ),
        (
            "wget https://h/x?api_key=hunter2&sig=hunter2",
            "wget https://h/x?api_key=***&sig=***",
        ),
        (
            "wget https://h/x?X-Amz-Signature=hunter2#top",
            "wget https://h/x?X-Amz-Signature=***#top",
        ),
        (
            "sh -c wget␣https://h/x?a=b&sig=hunter2␣-q",
            "sh -c wget␣https://h/x?a=b&sig=***␣-q",
        ),
    ]);
}

#[test]
fn programs_of_builders_have_theirs() {
    check(&[
        (
            "ssh-keygen -t ed25519 -N hunter2 -f key",
            "ssh-keygen -t ed25519 -N *** -f key",
        ),
        ("zip -rPhunter2 a.zip src", "zip -rP*** a.zip src"),
        (
            "twine upload -u me -p hunter2 dist/a.whl",
            "twine upload -u me -p *** dist/a.whl",
        ),
        ("cargo login hunter2", "cargo login ***"),
        (
            "make KBUILD_SIGN_PIN=1234 modules_install",
            "make KBUILD_SIGN_PIN=*** modules_install",
        ),
    ]);
}
